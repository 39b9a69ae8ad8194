/**
 * The grid: draws what is visible of the layout, and walks on it with the keyboard.
 *
 * Only rows and columns near the window are in the document, never more pictures than `Layout.most`; labels stick to
 * the edges.
 */
const Grid = (() => {
  /** @typedef {{s: number, r: number, c: number}} At */

  /** @param {{board: Model, view: View, pivot: Pivot, sizes: Sizes, onHover: (hover: unknown) => void, barHeight: number}} props */
  function Grid({ board, view, pivot, sizes, onHover, barHeight }) {
    const canvas = useRef(/** @type {HTMLElement | null} */ (null));
    const screen = Measures.useWindow(canvas);
    const [focus, setFocus] = useState(/** @type {At} */ ({ s: 0, r: 0, c: 0 }));
    const wanted = useRef(false);
    const crop = Measures.useCrop(board, view);

    useLayoutEffect(() => {
      if (!wanted.current) return;
      wanted.current = false;
      /** @type {HTMLElement | null} */ (canvas.current?.querySelector('[role=gridcell][tabindex="0"]'))?.focus({ preventScroll: true });
    });

    /** @param {At} at */
    function go(at) {
      setFocus(at);
      wanted.current = true;
      const section = pivot.sections[at.s];
      const top = section.top + section.headTop + sizes.head + at.r * sizes.pitchY;
      const left = section.left + sizes.label + at.c * sizes.pitchX;
      const box = /** @type {HTMLElement} */ (/** @type {unknown} */ (canvas.current)).getBoundingClientRect();
      const covered = barHeight + sizes.head + (section.labels.length ? sizes.title : 0) + 8;
      const dy = box.top + top < covered ? box.top + top - covered
        : Math.max(0, box.top + top + sizes.cellHeight + 16 - innerHeight);
      const dx = box.left + left < sizes.label + 24 ? box.left + left - sizes.label - 24
        : Math.max(0, box.left + left + sizes.cell + 16 - screen.width);
      scrollBy(dx, dy);
    }

    /** @param {KeyboardEvent} event */
    function onKey(event) {
      const at = atOf(event.target);
      if (!at || event.ctrlKey || event.metaKey || event.altKey) return;
      const place = shownAt(at);
      const page = Math.max(1, Math.floor((screen.height - barHeight - sizes.head) / sizes.pitchY));
      /** @type {Record<string, () => At | null | void>} */
      const keys = {
        ArrowRight: () => Pivot.step(pivot, at, 0, 1),
        ArrowLeft: () => Pivot.step(pivot, at, 0, -1),
        ArrowDown: () => Pivot.step(pivot, at, 1, 0),
        ArrowUp: () => Pivot.step(pivot, at, -1, 0),
        Home: () => Pivot.step(pivot, { ...at, c: -1 }, 0, 1),
        End: () => Pivot.step(pivot, { ...at, c: pivot.cols.length }, 0, -1),
        PageDown: () => jump(at, page),
        PageUp: () => jump(at, -page),
        Enter: () => { if (place) Store.set({ open: place.i }); },
        s: () => { if (place) Store.star(place.i); },
        c: () => { if (place?.file) Store.compare(place.i); },
      };
      const action = keys[event.key];
      if (!action) return;
      event.preventDefault();
      const next = action();
      if (next) go(next);
    }

    /** @param {At} at @param {number} rows @returns {At | null} */
    function jump(at, rows) {
      let found = null;
      let from = at;
      for (let n = 0; n < Math.abs(rows); n++) {
        const next = Pivot.step(pivot, from, Math.sign(rows), 0);
        if (!next) break;
        found = from = next;
      }
      return found;
    }

    /** @param {At} at */
    function placesAt(at) {
      const section = pivot.sections[at.s];
      const row = section?.rows[at.r];
      const col = pivot.cols[at.c];
      return row && col ? pivot.places(section, row, col) : [];
    }

    /** @param {At} at */
    const shownAt = (at) => Seeds.choose(board, view, placesAt(at));

    /** @param {EventTarget | null} target @returns {At | null} */
    function atOf(target) {
      const cell = target instanceof Element ? target.closest("[data-at]") : null;
      if (!cell) return null;
      const [s, r, c] = (cell.getAttribute("data-at") ?? "").split(",").map(Number);
      return { s, r, c };
    }

    /** @param {Event} event */
    function onOver(event) {
      const at = atOf(event.target);
      const place = at && shownAt(at);
      if (!at || !place) return onHover(null);
      const cell = /** @type {Element} */ (/** @type {Element} */ (event.target).closest("[data-at]"));
      onHover({ place, places: placesAt(at), box: cell.getBoundingClientRect() });
    }

    /** @param {MouseEvent} event */
    function onClick(event) {
      const at = atOf(event.target);
      const place = at && shownAt(at);
      if (!at || !place) return;
      setFocus(at);
      if (event.shiftKey && place.file) Store.compare(place.i);
      else Store.set({ open: place.i });
    }

    let pictures = 0;
    const above = screen.top - sizes.pitchY;
    const below = screen.top + screen.height + sizes.pitchY;
    /** The columns of a section that are near the window. @param {Section} section */
    const near = (section) => {
      const first = Math.max(0, Math.floor((screen.left - section.left - sizes.pitchX) / sizes.pitchX));
      const last = Math.min(pivot.cols.length, Math.ceil((screen.left - section.left + screen.width - sizes.label) / sizes.pitchX) + 1);
      return pivot.cols.slice(first, Math.max(first, last)).map((col, n) => ({ col, c: first + n }));
    };
    const tabStop = inside(pivot, focus);

    /** @param {Section} section @param {number} s */
    function drawSection(section, s) {
      const start = section.top + section.headTop + sizes.head;
      const first = Math.max(0, Math.floor((above - start) / sizes.pitchY));
      const last = Math.min(section.rows.length, Math.ceil((below - start) / sizes.pitchY));
      const name = section.labels.length ? section.labels.join(" · ") : "all pictures";
      const cols = near(section);
      const seed = Seeds.ofSection(board, view, section);
      const rows = [];
      for (let r = first; r < last; r++) rows.push(drawRow(section, s, r, r === first, cols));
      return html`<section class=${"block" + (section.width < 240 ? " narrow" : "")} key=${section.key} style=${{ "--title": (section.labels.length ? sizes.title : 0) + "px", top: section.top + "px", height: section.height + "px", left: section.left + "px", width: section.width + "px" }}>
        ${section.labels.length > 0 && html`<h2 class="block-title" style=${{ height: sizes.title + "px" }}><span>${section.labels.map((text, n) =>
          html`<span class="block-part" title=${section.width < 240 ? text : undefined}>${section.width < 240 ? abridged(text) : text}</span>${n < section.labels.length - 1 ? html`<i aria-hidden="true">·</i>` : ""}`)}</span>${seed && html`<small class="block-seed">${seed}</small>`}</h2>`}
        <div class="table" role="grid" aria-label=${name} aria-rowcount=${section.rows.length + 1} aria-colcount=${pivot.cols.length + 1}
          style=${{ height: section.height - sizes.title + "px", marginTop: section.labels.length ? 0 : sizes.title + "px" }}>
          ${sizes.head > 0 && html`<${Head} pivot=${pivot} sizes=${sizes} cols=${cols} />`}
          ${rows}
        </div></section>`;
    }

    /** @param {Section} section @param {number} s @param {number} r @param {boolean} firstShown @param {{col: Line, c: number}[]} cols */
    function drawRow(section, s, r, firstShown, cols) {
      const row = section.rows[r];
      const before = section.rows[r - 1];
      const seed = Seeds.ofRow(board, view, pivot, section, row);
      const cells = cols.map(({ col, c }) => {
        const places = pivot.places(section, row, col);
        const place = Seeds.choose(board, view, places);
        const picture = Boolean(place?.file) && pictures < Layout.most(view);
        if (picture) pictures += 1;
        const stop = tabStop.s === s && tabStop.r === r && tabStop.c === c;
        return html`<${Tile} key=${c} board=${board} view=${view} place=${place} places=${places} sizes=${sizes} at=${`${s},${r},${c}`}
          c=${c} stop=${stop} picture=${picture} seed=${seed} crop=${crop} />`;
      });
      return html`<div class="row" role="row" key=${row.key} aria-rowindex=${r + 2}
          style=${{ top: sizes.head + r * sizes.pitchY + "px", height: sizes.pitchY + "px" }}>
        ${sizes.label > 0 && html`<div class="row-head" role="rowheader" style=${{ width: sizes.label + "px", height: sizes.cellHeight + "px" }}>
          ${row.labels.map((text, n) => {
            const repeats = n < row.labels.length - 1 && !firstShown && before && before.levels.slice(0, n + 1).every((level, m) => level === row.levels[m]);
            const long = isLong(text, sizes.labelParts[n]);
            return html`<span class=${(n < row.labels.length - 1 ? "outer" : "inner") + (long ? " long" : "")} style=${{ width: sizes.labelParts[n] + "px" }}>${repeats ? html`<span class="hidden">${Say.broken(text)}</span>` : long ? abridged(text) : Say.broken(text)}</span>`;
          })}</div>`}
        ${cells}</div>`;
    }

    /** Whether a label is shortened or cut in its place. @param {string} text @param {number} width */
    const isLong = (text, width) => Labels.short(board, text) !== text || Measures.text(text) * 1.12 > 3 * width;

    /** What is seen of a long label, and its whole text for those who hover, focus or listen. @param {string} text */
    const abridged = (text) => html`<span class="short" aria-hidden="true">${Labels.short(board, text)}</span><span class="whole">${text}</span>`;

    const sections = pivot.sections.map((section, s) => ({ section, s }))
      .filter(({ section }) => section.top + section.height > above && section.top < below && section.left < screen.left + screen.width);
    return html`<div class=${"canvas" + (view.tint ? " tinted" : "") + (sizes.cell < 96 ? " tiny" : "")} ref=${canvas}
        style=${{ width: sizes.width + "px", height: Math.max(sizes.height, 60) + "px" }}
        onKeyDown=${onKey} onMouseOver=${onOver} onMouseLeave=${() => onHover(null)} onClick=${onClick}
        onfocusin=${(/** @type {Event} */ event) => { const at = atOf(event.target); if (at) { setFocus(at); if (/** @type {Element} */ (event.target).matches(":focus-visible")) onOver(event); } }}
        onfocusout=${() => onHover(null)}>
      ${sections.map(({ section, s }) => drawSection(section, s))}
      ${pivot.sections.length === 0 && html`<p class="nothing">No picture passes the filters.
        <button class="button" onClick=${() => Store.set({ keep: {}, low: null, high: null, only: "", tag: "" })}>Clear filters</button></p>`}
    </div>`;
  }

  /** The column labels, a line for each axis; outer labels span their inner ones. @param {{pivot: Pivot, sizes: Sizes, cols: {col: Line, c: number}[]}} props */
  function Head({ pivot, sizes, cols }) {
    const spans = pivot.colDims.map((_, n) => {
      /** @type {{from: number, to: number, text: string}[]} */
      const found = [];
      for (const { col, c } of cols) {
        const last = found[found.length - 1];
        const before = pivot.cols[c - 1];
        const same = last && before && before.levels.slice(0, n + 1).every((level, m) => level === col.levels[m]);
        if (same && n < pivot.colDims.length - 1) last.to = c;
        else found.push({ from: c, to: c, text: col.labels[n] });
      }
      return found;
    });
    const inner = pivot.colDims.length - 1;
    return html`<div class="head" role="row" aria-rowindex="1" style=${{ height: sizes.head + "px" }}>
      <div class="corner" role="columnheader" style=${{ width: Math.max(sizes.label, 1) + "px", height: sizes.head + "px" }}>
        <span class="corner-cols" style=${{ left: sizes.label + "px" }}>${pivot.colDims.map((dim) => dim.title).join(" / ")}</span>
        <span class="corner-rows">${pivot.rowDims.map((dim) => dim.title).join(" / ")}</span>
      </div>
      ${spans.map((line, n) => line.map((span) => html`<div class=${"col-head" + (n < inner ? " outer" : "") + (sizes.upright[n] ? " upright" : "")} role="columnheader" key=${n + ":" + span.from}
        aria-colindex=${span.from + 2} aria-colspan=${span.to - span.from + 1}
        style=${{
          left: sizes.label + span.from * sizes.pitchX + "px",
          width: (span.to - span.from + 1) * sizes.pitchX - sizes.gap + "px",
          bottom: sizes.headParts.slice(n + 1).reduce((sum, part) => sum + part, 0) + "px",
          minHeight: sizes.headParts[n] + "px",
        }}><span>${Say.broken(span.text)}</span></div>`))}
    </div>`;
  }

  /** A focus that the layout still has. @param {Pivot} pivot @param {At} at @returns {At} */
  function inside(pivot, at) {
    const section = pivot.sections[at.s];
    if (section?.rows[at.r] && pivot.cols[at.c]) return at;
    return { s: 0, r: 0, c: 0 };
  }

  return Grid;
})();
