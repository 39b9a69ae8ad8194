/** The flip-book: a slider for each dimension that is shown one level at a time; Space plays the last one touched. */
const Flip = (() => {
  const BEAT = 500; // milliseconds a level stays while playing

  /** @param {{board: Model, view: View}} props */
  function Flip({ board, view }) {
    const ids = view.layout === "wall" ? [] : view.flip.filter((id) => board.dim(id).size > 1);
    const [active, setActive] = useState("");
    const [playing, setPlaying] = useState(false);
    const current = ids.includes(active) ? active : ids[0];
    const latest = useRef({ current, playing });
    latest.current = { current, playing };

    useEffect(() => {
      if (!playing || !current) return;
      const timer = setInterval(() => {
        if (!latest.current.playing) return; // stopped, but the timer is cleared only after the next paint
        const levels = levelsOf(board, Store.view, current);
        const at = levels.indexOf(Store.view.at[current] ?? 0);
        turn(current, levels[(at + 1) % levels.length]);
      }, BEAT);
      return () => clearInterval(timer);
    }, [playing, current, board]);

    useEffect(() => {
      /** @param {KeyboardEvent} event */
      function onSpace(event) {
        if (event.key !== " " || !latest.current.current || document.documentElement.classList.contains("modal")) return;
        const target = /** @type {Element} */ (event.target);
        if (target.closest("button, a, select, summary, input:not([type=range]), textarea")) return;
        event.preventDefault();
        setPlaying(!latest.current.playing);
      }
      addEventListener("keydown", onSpace);
      return () => removeEventListener("keydown", onSpace);
    }, []);

    if (ids.length === 0) return null;
    return html`<div class="flip" role="group" aria-label="Sliders">${ids.map((id) => {
      const dim = board.dim(id);
      const levels = levelsOf(board, view, id);
      const at = Math.max(0, levels.indexOf(view.at[id] ?? 0));
      const plays = playing && id === current;
      return html`<div class="flip-row" key=${id}>
        <button type="button" class="quiet-button" aria-label=${(plays ? "Stop " : "Play ") + dim.title} aria-pressed=${plays} onClick=${() => { setActive(id); setPlaying(!plays); }}>${Icon(plays ? "pause" : "play")}</button>
        <label><span>${dim.title}</span><input type="range" min="0" max=${levels.length - 1} step="1" value=${at} aria-valuetext=${dim.labels[levels[at]]}
          onFocus=${() => setActive(id)} onInput=${(/** @type {Event} */ event) => { setActive(id); turn(id, levels[Number(/** @type {HTMLInputElement} */ (event.target).value)]); }} /></label>
        <output>${dim.labels[levels[at]]}</output></div>`;
    })}</div>`;
  }

  /** @param {string} id @param {number} level */
  const turn = (id, level) => Store.set({ at: { ...Store.view.at, [id]: level } });

  /** The levels a slider runs over. @param {Model} board @param {View} view @param {string} id @returns {number[]} */
  const levelsOf = (board, view, id) => view.keep[id] ?? board.dim(id).labels.map((_, n) => n);

  /** All axes on sliders, a section for each prompt, which wrap like words; the usual places when it is so already. @param {Model} board @param {View} view @returns {Partial<View>} */
  function book(board, view) {
    const usual = View.defaults(board);
    const { rows, cols, by, flip, pile } = usual;
    if (isBook(board, view)) return { rows, cols, by, flip, pile, layout: "grid" };
    return { rows: [], cols: [], by: [Board.PROMPT], flip: axes(board), pile: [Board.SEED, ...pile.filter((id) => id !== Board.SEED && id !== Board.PROMPT)], layout: "grid" };
  }

  /** @param {Model} board */
  const axes = (board) => board.dims.filter((dim) => dim.kind !== "prompt" && dim.kind !== "seed" && dim.size > 1).map((dim) => dim.id);

  /** @param {Model} board @param {View} view */
  const isBook = (board, view) => view.layout === "grid" && axes(board).length > 0 && axes(board).every((id) => view.flip.includes(id));

  return Object.assign(Flip, { book, isBook, levelsOf });
})();
