/** Two to four pictures against each other: side by side, under a slider, blinking, or as their difference. */
const Compare = (() => {
  const NAMES = /** @type {Record<string, string>} */ ({ side: "Side by side", slider: "Slider", blink: "Blink", difference: "Difference" });

  /** The chosen pictures at the bottom of the page. @param {{board: Model, view: View}} props */
  function Tray({ board, view }) {
    if (view.cmp.length === 0) return null;
    return html`<div class="tray" role="region" aria-label="Comparison">
      ${view.cmp.map((i, n) => html`<button type="button" class="tray-item" key=${i} aria-label=${"Take out: " + Say.label(board, view, board.places[i])} title="Take out" onClick=${() => Store.compare(i)}>
        <img src=${Board.thumb(board, board.places[i])} alt="" /><b>${n + 1}</b>${Icon("close")}</button>`)}
      <button type="button" class="button primary" disabled=${view.cmp.length < 2} onClick=${() => Store.set({ mode: "side" })}>${view.cmp.length < 2 ? "Choose one more" : `Compare ${view.cmp.length}`}</button>
      <button type="button" class="quiet-button" aria-label="Clear the comparison" onClick=${() => Store.set({ cmp: [] })}>${Icon("close")}</button></div>`;
  }

  /** @param {{board: Model, view: View}} props */
  function Compare({ board, view }) {
    const dialog = useRef(/** @type {HTMLElement | null} */ (null));
    const [pan, setPan] = useState(Zoom.FIT);
    const [held, setHeld] = useState(0);
    const places = view.cmp.map((i) => board.places[i]);
    const [a, b] = places;
    const size = a.size ?? /** @type {[number, number]} */ ([64, 64]);
    Focus.useTrap(dialog);
    const close = () => Store.set({ mode: "" });

    /** @param {KeyboardEvent} event */
    function onKey(event) {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const frame = dialog.current?.querySelector(".frame")?.getBoundingClientRect();
      const zoomed = frame && Zoom.onKey(event.key, pan, size, frame);
      if (event.key === "Escape") close();
      else if (event.key === "b" && view.mode === "blink") setHeld(1);
      else if (zoomed) setPan(zoomed);
      else return;
      event.preventDefault();
      event.stopPropagation();
    }

    /** Show another picture against the first. @param {number} n */
    const second = (n) => Store.set({ cmp: [view.cmp[0], view.cmp[n], ...view.cmp.filter((_, m) => m !== 0 && m !== n)] });
    const share = { pan, onPan: setPan, size };
    const aligned = Seeds.aligned(board, places);
    const seeds = ["", "", "Two", "Three", "Four"][new Set(places.map((each) => each.replicate)).size];

    return html`<div class="lightbox compare" role="dialog" aria-modal="true" aria-label="Comparison" ref=${dialog} tabindex="-1" onKeyDown=${onKey} onKeyUp=${(/** @type {KeyboardEvent} */ event) => { if (event.key === "b") setHeld(0); }}>
      <div class="compare-top">
        <span class="segments words" role="group" aria-label="How to compare">${View.MODES.map((mode) => html`<button type="button" key=${mode} aria-pressed=${view.mode === mode} onClick=${() => Store.set({ mode })}>${NAMES[mode]}</button>`)}</span>
        ${places.length > 2 && view.mode !== "side" && html`<span class="pair" role="group" aria-label="Second picture">1 against ${places.slice(1).map((place, n) => html`<button type="button" class=${"button small" + (n === 0 ? " active" : "")} aria-pressed=${n === 0} onClick=${() => second(n + 1)}>${n + 2}: ${differing(board, places, place)}</button>`)}</span>`}
        ${aligned && html`<span class="align" role="status">${seeds} seeds are compared: <button type="button" class="button small" onClick=${() => Store.set({ cmp: aligned.map((each) => each.i) })}>align them</button></span>`}
        <span class="grow"></span><span class="zoom-value">${pan.scale ? Math.round(pan.scale * 100) + " %" : "fit"}</span>
        <button type="button" class="quiet-button" aria-label="Close" title="Close (Esc)" data-autofocus onClick=${close}>${Icon("close")}</button></div>
      <div class="compare-body">
        ${view.mode === "side" && html`<div class=${"side-by-side of-" + places.length}>${places.map((place, n) => html`<figure key=${place.i}><${Zoom.Frame} ...${share} size=${place.size ?? size} label=${`Picture ${n + 1}`}>${picture(board, place)}</${Zoom.Frame}>${caption(board, view, places, place, n)}</figure>`)}</div>`}
        ${view.mode === "slider" && html`<figure><${Slider} board=${board} a=${a} b=${b} ...${share} />${captions(board, view, places)}</figure>`}
        ${view.mode === "blink" && html`<figure><${Zoom.Frame} ...${share} label=${held ? "Picture 2" : "Picture 1"}>${picture(board, a)}<span class=${held ? "" : "unseen"}>${picture(board, b)}</span></${Zoom.Frame}>
          <button type="button" class="button blink-button" onPointerDown=${() => setHeld(1)} onPointerUp=${() => setHeld(0)} onPointerLeave=${() => setHeld(0)}>Hold here, or <kbd>b</kbd>, to see picture 2 <small>${held ? "2" : "1"} is shown</small></button>${captions(board, view, places)}</figure>`}
        ${view.mode === "difference" && html`<${Difference} board=${board} view=${view} places=${places} ...${share} />`}
      </div></div>`;
  }

  /** @param {Model} board @param {Place} place */
  const picture = (board, place) => html`<img src=${Board.full(board, place)} alt="" draggable=${false} data-place=${place.i} />`;

  /** Two pictures in one frame, parted by a line that can be moved. @param {{board: Model, a: Place, b: Place, pan: Pan, onPan: (pan: Pan) => void, size: [number, number]}} props */
  function Slider({ board, a, b, pan, onPan, size }) {
    const [at, setAt] = useState(50);
    return html`<div class="slider-frame">
      <${Zoom.Frame} pan=${pan} onPan=${onPan} size=${size} label="Pictures 1 and 2; drag the line" onSlide=${(/** @type {number} */ share) => setAt(Math.round(1000 * share) / 10)}>${picture(board, b)}<span class="clipped" style=${{ clipPath: `inset(0 ${100 - at}% 0 0)` }}>${picture(board, a)}</span><span class="slider-line" style=${{ left: at + "%" }}></span></${Zoom.Frame}>
      <label class="slider-label"><span>1</span><input type="range" min="0" max="100" step="0.5" value=${at} aria-label="How much of picture 1" onInput=${(/** @type {Event} */ event) => setAt(Number(/** @type {HTMLInputElement} */ (event.target).value))} /><span>2</span></label></div>`;
  }

  /** The difference as a map, and in one number. @param {{board: Model, view: View, places: Place[], pan: Pan, onPan: (pan: Pan) => void, size: [number, number]}} props */
  function Difference({ board, view, places, pan, onPan, size }) {
    const [a, b] = places;
    const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null));
    const [said, setSaid] = useState("");
    useEffect(() => {
      let current = true;
      setSaid("");
      measure().catch((error) => { if (current) setSaid(String(error.message || error)); });
      async function measure() {
        const first = await Pixels.read(board, a);
        const second = await Pixels.read(board, b, [first.width, first.height]);
        if (!current || !canvas.current) return;
        const { map, mean, largest, changed, psnr } = Pixels.difference(first.data, second.data);
        canvas.current.width = first.width;
        canvas.current.height = first.height;
        const context = /** @type {CanvasRenderingContext2D} */ (canvas.current.getContext("2d"));
        const drawn = context.createImageData(first.width, first.height);
        map.forEach((value, n) => drawn.data.set([...Tint.rgb(largest ? value / largest : 0), 255], 4 * n));
        context.putImageData(drawn, 0, 0);
        const smaller = a.size && first.width < a.size[0] ? `, measured at ${first.width} × ${first.height}` : "";
        setSaid(largest === 0 ? "No difference: the pixels are equal" + smaller + "."
          : `Mean difference ${Phrases.number(mean)} of 255 levels (${Phrases.number((100 * mean) / 255)} %), PSNR ${Phrases.fixed(psnr, 1)} dB, largest ${Phrases.number(largest)}; ${Phrases.number(100 * changed)} % of the pixels differ${smaller}. Yellow is the largest.`);
      }
      return () => { current = false; };
    }, [a.i, b.i]);
    return html`<figure><${Zoom.Frame} pan=${pan} onPan=${onPan} size=${size} label="Difference of pictures 1 and 2"><canvas ref=${canvas} class="difference"></canvas></${Zoom.Frame}>
      <p class="difference-number" role="status">${said || "Measuring …"}</p>${captions(board, view, places)}</figure>`;
  }

  /** What tells a picture from the others. @param {Model} board @param {Place[]} places @param {Place} place */
  function differing(board, places, place) {
    const parts = board.dims.filter((dim, n) => places.some((each) => each.at[n] !== place.at[n]))
      .map((dim) => (dim.kind === "seed" ? "seed " + place.seed : dim.kind === "prompt" ? dim.labels[place.prompt] : `${dim.title} ${dim.labels[board.level(place, dim.id)]}`));
    return parts.join(", ") || "the same setting";
  }

  /** @param {Model} board @param {View} view @param {Place[]} places @param {Place} place @param {number} n */
  const caption = (board, view, places, place, n) => html`<figcaption><b>${n + 1}</b><span>${differing(board, places, place)}</span>${score(board, view, place)}</figcaption>`;

  /** @param {Model} board @param {View} view @param {Place} place */
  const score = (board, view, place) => {
    const value = Board.score(board, place, view.metric);
    return value === null ? "" : html`<small>${Board.title(board, view.metric)} ${Phrases.number(value)}</small>`;
  };

  /** @param {Model} board @param {View} view @param {Place[]} places */
  const captions = (board, view, places) => html`<div class="captions">${places.slice(0, 2).map((place, n) => caption(board, view, places, place, n))}</div>`;

  return Object.assign(Compare, { Tray, differing });
})();
