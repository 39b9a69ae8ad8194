/** News of a running study: places, progress and findings arrive as server-sent events and go into the store. */
const Live = (() => {
  /** Listen, if this page is served by `teststrip view`. The browser reconnects by itself and says what it has. */
  function start() {
    const board = /** @type {RawBoard & {live?: boolean, version?: number}} */ (Store.board);
    if (!board.live) return;
    const source = new EventSource("events?since=" + board.version);
    source.addEventListener("news", (event) => {
      const news = JSON.parse(event.data);
      if (news.reload) {
        source.close();
        location.reload();
      } else Store.update(news);
    });
    addEventListener("pagehide", () => source.close());
    source.onopen = () => document.documentElement.classList.remove("cut-off");
    source.onerror = () => document.documentElement.classList.add("cut-off");
  }
  return { start };
})();
