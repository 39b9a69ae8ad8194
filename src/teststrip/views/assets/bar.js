/** The bar: where each dimension stands, which picture of a pile is shown, tint, filters, size. */
const Bar = (() => {
  /** @type {Record<Zone, string>} */
  const ZONE_NAMES = { rows: "Rows", cols: "Columns", by: "Sections", flip: "Sliders", pile: "Together" };
  /** @type {Record<Zone, string>} */
  const ZONE_HELP = {
    rows: "down the grid", cols: "across the grid", by: "a grid for each level", flip: "one level at a time",
    pile: "all levels in one cell",
  };

  /** @param {{board: Model, view: View, pivot: Pivot, sizes: Sizes}} props */
  function Bar({ board, view, pivot, sizes }) {
    const wall = view.layout === "wall";
    return html`<div class="bar" role="toolbar" aria-label="Axes, filters and size">
      ${!wall && html`<div class="zones">
        ${zone("rows")}
        <button type="button" class="quiet-button" title="Swap rows and columns" aria-label="Swap rows and columns"
          onClick=${() => Store.set({ rows: view.cols, cols: view.rows })}>${Icon("swap")}</button>
        ${zone("cols")}${zone("by")}${zone("flip")}${zone("pile")}
      </div>`}
      <div class="tools">
        ${piled(board, view).length > 0 && !wall && html`<${Picks} board=${board} view=${view} />`}
        ${wall && html`<label class="field"><span>Sort</span><select value=${view.sort} aria-label="Sort" onChange=${choose("sort")}>${sorts(board, view).map(([value, name]) => html`<option value=${value}>${name}</option>`)}</select></label>`}
        ${board.metrics.length > 0 && html`<label class="field"><span>${wall ? "score" : "by"}</span>
          <select value=${view.metric} aria-label="Score" onChange=${choose("metric")}>${board.metrics.map((metric) => html`<option value=${metric.name}>${Board.title(board, metric.name)}</option>`)}</select></label>
          <button type="button" class=${"toggle" + (view.tint ? " active" : "")} aria-pressed=${view.tint} onClick=${() => Store.set({ tint: !view.tint })}><i class="ramp" aria-hidden="true" style=${{ background: Tint.gradient(view) }}></i>Tint</button>`}
        <${Filters} board=${board} view=${view} pivot=${pivot} />
        <span class="segments" role="group" aria-label="Layout">
          <button type="button" aria-pressed=${!wall && !Flip.isBook(board, view)} title="Grid" aria-label="Grid" onClick=${() => Store.set(Flip.isBook(board, view) ? Flip.book(board, view) : { layout: "grid" })}>${Icon("grid")}</button>
          ${board.axes.some((axis) => axis.labels.length > 1) && html`<button type="button" aria-pressed=${Flip.isBook(board, view)} title="Flip-book: a slider for each axis" aria-label="Flip-book" onClick=${() => Store.set(Flip.book(board, view))}>${Icon("book")}</button>`}
          <button type="button" aria-pressed=${wall} title="Wall: one picture after the other, sorted" aria-label="Wall" onClick=${() => Store.set({ layout: "wall" })}>${Icon("wall")}</button>
        </span>
        ${view.roi ? html`<span class="field region"><span>Region</span>
            <input type="range" min="1" max="16" step="1" aria-label="Zoom of the region" value=${view.zoom} onInput=${(/** @type {Event} */ event) => Store.set({ zoom: Number(/** @type {HTMLInputElement} */ (event.target).value) })} />
            <output>${view.zoom}:1</output><button type="button" class="quiet-button" aria-label="Show whole pictures again" title="Show whole pictures again" onClick=${() => Store.set({ roi: null, zoom: 1 })}>${Icon("close")}</button></span>`
          : html`<label class="field size"><span>Size</span><input type="range" min="48" max="512" step="8" aria-label="Size of the pictures"
          value=${view.fit ? sizes.cell : view.size || sizes.cell} onInput=${(/** @type {InputEvent} */ event) => Store.set({ fit: false, size: Number(/** @type {HTMLInputElement} */ (event.target).value) })} /></label>
          ${!wall && html`<button type="button" class=${"button small" + (view.fit ? " active" : "")} aria-pressed=${view.fit} title="All columns in the window" onClick=${() => Store.set({ fit: !view.fit })}>Fit</button>`}`}
        ${Tile.Legend({ board, view })}
        ${Store.moved() && html`<button type="button" class="button small reset" onClick=${() => Store.go("")}>Reset view</button>`}
      </div></div>`;

    /** @param {Zone} name */
    function zone(name) {
      const ids = view[name].filter((id) => board.dim(id).size > 1 || name === "rows" || name === "cols");
      const drop = (/** @type {DragEvent} */ event) => {
        event.preventDefault();
        /** @type {Element} */ (event.currentTarget).classList.remove("over");
        const id = event.dataTransfer?.getData("text/plain") ?? "";
        if (board.index(id) >= 0) Store.set(View.move(view, id, name));
      };
      return html`<div class=${"zone" + (ids.length ? "" : " empty")} data-zone=${name} onDragOver=${over} onDragLeave=${out} onDrop=${drop}>
        <span class="zone-name">${ZONE_NAMES[name]}</span>${ids.map((id) => html`<${Chip} key=${id} board=${board} view=${view} id=${id} />`)}</div>`;
    }
  }

  const over = (/** @type {DragEvent} */ event) => {
    event.preventDefault();
    event.stopPropagation();
    /** @type {Element} */ (event.currentTarget).classList.add("over");
  };
  const out = (/** @type {DragEvent} */ event) => /** @type {Element} */ (event.currentTarget).classList.remove("over");

  /** A dimension: dragged onto a zone it moves, onto another chip they swap; its menu does the same and more. @param {{board: Model, view: View, id: string}} props */
  function Chip({ board, view, id }) {
    const dim = board.dim(id);
    const zone = View.zoneOf(view, id);
    const kept = view.keep[id];
    const props = {
      draggable: true,
      "data-dim": id,
      onDragStart: (/** @type {DragEvent} */ event) => event.dataTransfer?.setData("text/plain", id),
      onDragOver: over,
      onDragLeave: out,
      onDrop: (/** @type {DragEvent} */ event) => {
        event.preventDefault();
        event.stopPropagation();
        /** @type {Element} */ (event.currentTarget).classList.remove("over");
        const other = event.dataTransfer?.getData("text/plain") ?? "";
        if (other !== id && board.index(other) >= 0) Store.set(View.swap(view, other, id));
      },
    };
    const label = html`${dim.title}${kept ? html`<small>${kept.length}/${dim.size}</small>` : ""}${Icon("down")}`;
    const others = View.ZONES.filter((each) => each !== "pile").flatMap((each) => view[each]).filter((each) => each !== id && board.dim(each).size > 1);
    return html`<${Pop} kind=${"chip" + (kept ? " kept" : "")} label=${label} title=${dim.title} name=${id} buttonProps=${props}>
      <fieldset><legend>Stands in</legend>${View.ZONES.map((each) => html`<label class="choice"><input type="radio" name=${"zone-" + id} checked=${zone === each}
        onChange=${() => { Pop.keep(id); Store.set(View.move(view, id, each)); }} /><span>${ZONE_NAMES[each]}</span><small>${ZONE_HELP[each]}</small></label>`)}</fieldset>
      ${others.length > 0 && html`<fieldset><legend>Swap with</legend><div class="buttons">${others.map((other) => html`<button type="button" class="button small" onClick=${() => Store.set(View.swap(view, id, other))}>${board.dim(other).title}</button>`)}</div></fieldset>`}
      <fieldset><legend>Order</legend><select value=${view.order[id] ?? ""} aria-label="Order" onChange=${(/** @type {Event} */ event) => order(/** @type {HTMLSelectElement} */ (event.target).value)}>
        <option value="">as planned</option>
        ${board.metrics.length > 0 && html`<option value="-score">highest ${Board.title(board, view.metric)} first</option><option value="score">lowest ${Board.title(board, view.metric)} first</option>`}
        <option value="name">A to Z</option><option value="-name">Z to A</option></select></fieldset>
      <${Levels} board=${board} view=${view} dim=${dim} />
    </${Pop}>`;

    /** @param {string} value */
    function order(value) {
      const { [id]: _, ...rest } = view.order;
      Store.set({ order: value ? { ...rest, [id]: value } : rest });
    }
  }

  /** Which levels are kept. @param {{board: Model, view: View, dim: Dim}} props */
  function Levels({ view, dim }) {
    const kept = view.keep[dim.id] ?? dim.labels.map((_, n) => n);
    /** @param {number[]} levels */
    function keep(levels) {
      const { [dim.id]: _, ...rest } = view.keep;
      Store.set({ keep: levels.length === dim.size || levels.length === 0 ? rest : { ...rest, [dim.id]: levels.sort((a, b) => a - b) } });
    }
    if (dim.size < 2) return null;
    return html`<fieldset class="levels-list"><legend>${Phrases.count(dim.size, "level")}</legend>
      ${dim.labels.map((label, n) => html`<div class="choice"><label><input type="checkbox" checked=${kept.includes(n)}
        onChange=${() => keep(kept.includes(n) ? kept.filter((each) => each !== n) : [...kept, n])} /><span>${label}</span></label>
        <button type="button" class="only" aria-label=${"Only " + label} onClick=${() => keep([n])}>only</button></div>`)}
      ${view.keep[dim.id] && html`<button type="button" class="button small" onClick=${() => keep([])}>All levels</button>`}</fieldset>`;
  }

  /** @param {{board: Model, view: View, pivot: Pivot}} props */
  function Filters({ board, view, pivot }) {
    const tags = [...new Set(board.prompts.flatMap((prompt) => prompt.tags))];
    const count = Object.keys(view.keep).length + (view.only ? 1 : 0) + (view.tag ? 1 : 0) + (view.low !== null || view.high !== null ? 1 : 0);
    const values = Numbers.scores(board, board.places, view.metric);
    const [low, high] = values.reduce(([a, b], value) => [Math.min(a, value), Math.max(b, value)], [Infinity, -Infinity]);
    const bound = (/** @type {"low" | "high"} */ end) => (/** @type {Event} */ event) => {
      const text = /** @type {HTMLInputElement} */ (event.target).value;
      Store.set({ [end]: text === "" ? null : Number(text) });
    };
    const clear = () => Store.set({ keep: {}, low: null, high: null, only: "", tag: "" });
    return html`<${Pop} kind="toggle" active=${count > 0} title="Filter" wide=${true} label=${html`${Icon("filter")}Filter${count > 0 ? html`<small>${count}</small>` : ""}`}>
      <fieldset><legend>Show</legend>${[["", "everything"], ["starred", `starred (${view.star.length})`], ["failed", `failed (${board.progress.failed})`]].map(([value, name]) =>
        html`<label class="choice"><input type="radio" name="only" checked=${view.only === value} onChange=${() => Store.set({ only: value })} /><span>${name}</span></label>`)}</fieldset>
      ${values.length > 0 && html`<fieldset><legend>${Board.title(board, view.metric)}</legend><div class="between">
        <label>from <input type="number" step="any" placeholder=${Phrases.number(low)} value=${view.low ?? ""} onChange=${bound("low")} /></label>
        <label>to <input type="number" step="any" placeholder=${Phrases.number(high)} value=${view.high ?? ""} onChange=${bound("high")} /></label></div></fieldset>`}
      ${tags.length > 0 && html`<fieldset><legend>Prompts tagged</legend><div class="buttons">${tags.map((tag) =>
        html`<button type="button" class=${"button small" + (view.tag === tag ? " active" : "")} aria-pressed=${view.tag === tag} onClick=${() => Store.set({ tag: view.tag === tag ? "" : tag })}>${tag}</button>`)}</div></fieldset>`}
      ${board.dims.filter((dim) => dim.size > 1).map((dim) => html`<details open=${Boolean(view.keep[dim.id])}><summary>${dim.title}</summary><${Levels} board=${board} view=${view} dim=${dim} /></details>`)}
      <p class="panel-foot"><span role="status">${Phrases.count(pivot.shown, "picture")} shown</span><button type="button" class="button small" disabled=${count === 0} onClick=${clear}>Clear filters</button></p>
    </${Pop}>`;
  }

  /** The piled dimensions that hold more than one picture. @param {Model} board @param {View} view */
  const piled = (board, view) => view.pile.filter((id) => board.dim(id).size > 1);

  /** @param {Model} board @param {View} view @returns {[string, string][]} */
  function sorts(board, view) {
    const name = Board.title(board, view.metric);
    /** @type {[string, string][]} */
    const scored = board.metrics.length ? [["-score", `highest ${name}`], ["score", `lowest ${name}`]] : [];
    return [["plan", "as planned"], ...scored, ["prompt", "by prompt"], ["level", "by setting"], ["failed", "failed first"], ["starred", "starred first"]];
  }

  /** @param {"metric" | "sort"} key */
  const choose = (key) => (/** @type {Event} */ event) => Store.set({ [key]: /** @type {HTMLSelectElement} */ (event.target).value });

  return Object.assign(Bar, { piled, ZONE_NAMES });
})();
