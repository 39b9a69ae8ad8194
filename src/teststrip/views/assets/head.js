/** The top of the page: what the study is, how far it is, and what can honestly be concluded, each with its view. */
const Top = (() => {
  /** @param {{board: Model, view: View, pivot: Pivot, sizes: Sizes}} props */
  function Top({ board, view, pivot, sizes }) {
    const { made, total, failed, running } = board.progress;
    return html`<header class="top">
      <div class="top-line">
        <h1>${board.study.name}</h1>
        <p class="subtitle">${Say.study(board)} <i>·</i> ${Phrases.count(made, "picture")}${made < total ? ` of ${Phrases.fixed(total, 0)}` : ""}
          ${failed > 0 && html`<i> · </i><button type="button" class="link" onClick=${() => Store.set({ only: "failed" })}>${Phrases.count(failed, "failure")}</button>`}</p>
        <span class="grow"></span>
        <div class="top-buttons">
          ${board.head.settings && html`<button type="button" class=${"button" + (view.table ? " active" : "")} aria-label="Settings" aria-pressed=${view.table} onClick=${() => Store.set({ table: !view.table })}>${Icon("table")}<span>Settings</span></button>`}
          ${board.metrics.length > 0 && html`<button type="button" class=${"button" + (view.charts ? " active" : "")} aria-label="Charts" aria-pressed=${view.charts} onClick=${() => Store.set({ charts: !view.charts })}>${Icon("charts")}<span>Charts</span></button>`}
          ${board.live && html`<a class="button" href="vote" aria-label="Vote" title="Compare two pictures at a time, without knowing which is which">${Icon("compare")}<span>Vote</span></a>`}
          <${Sheet.Export} board=${board} view=${view} pivot=${pivot} sizes=${sizes} />
          <${More} board=${board} view=${view} />
        </div>
      </div>
      ${(running || made + failed < total) && html`<${Progress} progress=${board.progress} />`}
      <${Answer} board=${board} view=${view} />
      <${Notes} board=${board} />
    </header>`;
  }

  /** @param {{progress: Progress}} props */
  function Progress({ progress }) {
    const { made, failed, total, running, seconds_left, at } = progress;
    const done = made + failed;
    const state = at ? ` · ${at}` : running ? "" : " · not running";
    return html`<div class="progress"><div class="progress-bar" role="progressbar" aria-label="Pictures made" aria-valuemin="0" aria-valuemax=${total} aria-valuenow=${done}>
        <span class="made" style=${{ width: (100 * made) / total + "%" }}></span><span class="lost" style=${{ width: (100 * failed) / total + "%" }}></span></div>
      <p>${Phrases.fixed(done, 0)} of ${Phrases.fixed(total, 0)}${state}${running && seconds_left != null ? " · " + Phrases.duration(seconds_left) + " left" : ""}
        ${at && html`<i> · </i><button type="button" class="link" onClick=${() => location.reload()}>Read it again</button>`}</p></div>`;
  }

  /** Warnings that stand on no card: the first in sight, further ones folded. @param {{board: Model}} props */
  function Notes({ board }) {
    const told = new Set(board.head.answer?.caveats);
    const [first, ...more] = (board.warnings ?? []).filter((warning) => !told.has(warning)).map((warning) => html`<p class="warning" role="note" key=${warning}>${Icon("alert")}<span>${warning}</span></p>`);
    return first ? html`<details class="notes"><summary>${first}<span class="link">${more.length > 0 ? `${more.length} more` : "all of it"}</span></summary>${more}</details>` : null;
  }

  /** The view that shows what a finding rests on: its axis across, tinted by its metric, all prompts. @param {Model} board @param {View} view @param {Finding} finding @returns {Partial<View>} */
  function evidence(board, view, finding) {
    const usual = View.defaults(board);
    const metric = board.metric(finding.metric) >= 0 ? finding.metric : view.metric;
    const common = { metric, tint: board.metric(metric) >= 0, keep: {}, low: null, high: null, only: "", tag: "", layout: "grid" };
    if (finding.kind === "missing") return { ...common, only: "failed" };
    const id = board.dims[board.axes.findIndex((axis) => axis.name === finding.axis)]?.id;
    if (!id || board.dim(id).size < 2) return { ...usual, star: view.star, cmp: view.cmp, charts: view.charts, size: view.size, ...common };
    const others = [...usual.rows, ...usual.cols, ...usual.flip].filter((each) => each !== id && board.dim(each).kind !== "prompt" && board.dim(each).kind !== "seed");
    const prompts = board.dim(Board.PROMPT).size > 1 ? [Board.PROMPT] : [];
    const placed = new Set([id, ...prompts, ...others]);
    return {
      ...common, cols: [id], rows: prompts, by: others.slice(0, 1), flip: others.slice(1),
      pile: board.dims.map((dim) => dim.id).filter((each) => !placed.has(each)),
    };
  }

  /** Theme, take-away of the whole view, help. @param {{board: Model, view: View}} props */
  function More({ board, view }) {
    return html`
      <button type="button" class="button icon-button" aria-label="Dark or light" title="Dark or light" onClick=${Theme.toggle}>${Icon("theme")}</button>
      <${Help} />`;
  }

  return Object.assign(Top, { evidence });
})();
