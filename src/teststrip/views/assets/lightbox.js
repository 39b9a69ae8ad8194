/** One picture at full size: pan, zoom, walk along the axes, the other seeds of its cell, its settings to take away. */
const Lightbox = (() => {
  /** @param {{board: Model, view: View, pivot: Pivot}} props */
  return function Lightbox({ board, view, pivot }) {
    const place = board.places[/** @type {number} */ (view.open)];
    const [pan, setPan] = useState(Zoom.FIT);
    const [marking, setMarking] = useState(false);
    const dialog = useRef(/** @type {HTMLElement | null} */ (null));
    const at = useMemo(() => Pivot.find(board, view, pivot, place), [pivot, place]);
    const places = at ? pivot.places(pivot.sections[at.s], pivot.sections[at.s].rows[at.r], pivot.cols[at.c]) : [place];
    const size = place.size ?? board.places.find((each) => each.size)?.size ?? /** @type {[number, number]} */ ([64, 64]);
    Focus.useTrap(dialog);

    const close = () => Store.set({ open: null });

    /** The neighbour with the same seed; cells that do not have the seed are passed over. @param {number} dr @param {number} dc */
    function neighbour(dr, dc) {
      for (let next = at && Pivot.step(pivot, at, dr, dc); next; next = Pivot.step(pivot, next, dr, dc)) {
        const there = pivot.places(pivot.sections[next.s], pivot.sections[next.s].rows[next.r], pivot.cols[next.c]);
        const found = Seeds.piled(board, view) ? Seeds.like(board, view, there, place) : Seeds.choose(board, view, there);
        if (found) return found;
      }
      return null;
    }

    /** @param {Place | null | undefined} next */
    const go = (next) => { if (next) Store.set({ open: next.i }); };
    /** @param {number} by */
    const seed = (by) => go(places[places.indexOf(place) + by]);

    /** @param {KeyboardEvent} event */
    function onKey(event) {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const frame = dialog.current?.querySelector(".frame")?.getBoundingClientRect();
      const zoomed = frame && Zoom.onKey(event.key, pan, size, frame);
      /** @type {Record<string, () => void>} */
      const keys = {
        ArrowLeft: () => go(neighbour(0, -1)), ArrowRight: () => go(neighbour(0, 1)),
        ArrowUp: () => go(neighbour(-1, 0)), ArrowDown: () => go(neighbour(1, 0)),
        ",": () => seed(-1), ".": () => seed(1),
        Escape: () => (marking ? setMarking(false) : close()),
        s: () => Store.star(place.i), c: () => { if (place.file) Store.compare(place.i); },
        r: () => setMarking(!marking),
      };
      if (zoomed) setPan(zoomed);
      else if (keys[event.key]) keys[event.key]();
      else return;
      event.preventDefault();
      event.stopPropagation();
    }

    const arrows = /** @type {const} */ ([["left", 0, -1], ["right", 0, 1], ["up", -1, 0], ["lower", 1, 0]]);
    const names = { left: "Left along the columns", right: "Right along the columns", up: "Up along the rows", lower: "Down along the rows" };
    return html`<div class="lightbox" role="dialog" aria-modal="true" aria-label=${"Picture: " + Say.label(board, view, place)} ref=${dialog} onKeyDown=${onKey} tabindex="-1">
      <div class="stage">
        ${place.file
          ? html`<${Zoom.Frame} pan=${pan} onPan=${setPan} size=${size} marking=${marking} label="Picture; drag to pan, wheel to zoom" onSwipe=${(/** @type {number} */ dr, /** @type {number} */ dc) => go(neighbour(dr, dc))} onMark=${(/** @type {number[]} */ roi) => { setMarking(false); Store.set({ roi: Zoom.whole(roi, size), open: null }); }}>
              <img class="full" src=${Board.full(board, place)} alt=${Say.label(board, view, place)} draggable=${false} data-place=${place.i} />
              ${view.roi && html`<span class="mark-box" style=${{ left: view.roi[0] * 100 + "%", top: view.roi[1] * 100 + "%", width: view.roi[2] * 100 + "%", height: view.roi[3] * 100 + "%" }}></span>`}</${Zoom.Frame}>`
          : html`<div class="no-picture">${Icon("alert")}<p><b>${place.failure ? place.failure.reason : "not made yet"}</b>${place.failure?.text ?? ""}</p></div>`}
        ${arrows.map(([icon, dr, dc]) => {
          const next = neighbour(dr, dc);
          return html`<button type="button" class=${"arrow " + icon} disabled=${!next} aria-label=${names[icon]} title=${names[icon]} onClick=${() => go(next)}>${Icon(icon)}</button>`;
        })}
        ${marking && html`<p class="hint">Drag over the region to see it in every cell. Esc cancels.</p>`}
        ${places.length > 1 && html`<div class="strip" role="group" aria-label="All pictures of this cell">${places.slice(0, 24).map((each) => html`<button type="button" key=${each.i} class=${each === place ? "current" : ""} aria-pressed=${each === place}
          aria-label=${`seed ${each.seed}` + (each.failure ? ", failed" : "")} onClick=${() => go(each)}>${each.file ? html`<img src=${Board.thumb(board, each)} alt="" />` : Icon("alert")}</button>`)}</div>`}
      </div>
      <aside class="side">
        <div class="side-top"><button type="button" class="quiet-button" aria-pressed=${view.star.includes(place.i)} aria-label="Star" title="Star (s)" onClick=${() => Store.star(place.i)}>${Icon("star", view.star.includes(place.i))}</button>
          <button type="button" class="quiet-button" aria-pressed=${view.cmp.includes(place.i)} aria-label="Compare" title="Add to comparison (c)" disabled=${!place.file} onClick=${() => Store.compare(place.i)}>${Icon("compare", view.cmp.includes(place.i))}</button>
          <button type="button" class="quiet-button" aria-pressed=${marking} aria-label="Mark a region" title="Mark a region (r)" disabled=${!place.file} onClick=${() => setMarking(!marking)}>${Icon("region")}</button>
          <span class="grow"></span><span class="zoom-value">${pan.scale ? Math.round(pan.scale * 100) + " %" : "fit"}</span>
          <button type="button" class="quiet-button" aria-label="Close" title="Close (Esc)" onClick=${close} data-autofocus>${Icon("close")}</button></div>
        <div class="side-body" tabindex="0" role="group" aria-label="Facts">${Card.Facts({ board, view, place, places })}</div>
        <div class="side-foot"><${TakeAway} board=${board} place=${place} /></div>
      </aside></div>`;
  };
})();

/** The keyboard's focus while a dialog is open: inside, and back where it was afterwards. */
const Focus = (() => {
  /** @param {{current: HTMLElement | null}} dialog */
  function useTrap(dialog) {
    // before the next key, not after the next frame: on a busy machine a key pressed in between would go to the grid
    useLayoutEffect(() => {
      const before = document.activeElement;
      const root = /** @type {HTMLElement} */ (dialog.current);
      (/** @type {HTMLElement | null} */ (root.querySelector("[data-autofocus]")) ?? root).focus({ preventScroll: true });
      document.documentElement.classList.add("modal");
      /** @param {KeyboardEvent} event */
      function tab(event) {
        if (event.key !== "Tab") return;
        const stops = [.../** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll("button:not(:disabled), a[href], input, select, [tabindex='0']"))].filter((each) => each.offsetParent);
        if (stops.length === 0) return;
        const [first, last] = [stops[0], stops[stops.length - 1]];
        const active = document.activeElement;
        if (event.shiftKey ? active === first || active === root : active === last || !root.contains(active)) {
          event.preventDefault();
          (event.shiftKey ? last : first).focus();
        }
      }
      root.addEventListener("keydown", tab);
      return () => {
        root.removeEventListener("keydown", tab);
        document.documentElement.classList.remove("modal");
        const stop = document.querySelector('[role=gridcell][tabindex="0"]');
        const back = before instanceof HTMLElement && before.isConnected && before !== document.body ? before : stop;
        /** @type {HTMLElement | null} */ (back)?.focus({ preventScroll: true });
      };
    }, []);
  }
  return { useTrap };
})();
