/** Which picture of a cell is shown: one seed in the whole grid, stepped by buttons and keys, or the median, best, worst. */
const Picks = (() => {
  const LISTED = 24; // seeds that the list names one by one

  /** @param {{board: Model, view: View}} props */
  function Picks({ board, view }) {
    const seeds = Seeds.piled(board, view);
    useEffect(() => {
      /** @param {KeyboardEvent} event */
      function onKey(event) {
        const by = { ",": -1, ".": 1 }[event.key];
        if (!by || event.ctrlKey || event.metaKey || event.altKey || document.documentElement.classList.contains("modal")) return;
        if (/** @type {Element} */ (event.target).closest("input:not([type=range]), textarea, select")) return;
        if (!Seeds.piled(Store.board, Store.view)) return;
        event.preventDefault();
        Store.set(Seeds.step(Store.board, Store.view, by));
      }
      addEventListener("keydown", onKey);
      return () => removeEventListener("keydown", onKey);
    }, []);

    const step = (/** @type {number} */ by, /** @type {"left" | "right"} */ icon, /** @type {string} */ name) =>
      html`<button type="button" class="quiet-button" aria-label=${name} title=${`${name} (${by < 0 ? "," : "."})`} onClick=${() => Store.set(Seeds.step(board, view, by))}>${Icon(icon)}</button>`;
    return html`<span class="field picks"><label class="field"><span>Show</span>
        <select value=${view.seed === null ? view.pick : `seed ${view.seed}`} aria-label="Which picture of a cell" onChange=${choose}>${choices(board, view).map(([value, name]) => html`<option value=${value}>${name}</option>`)}</select></label>
      ${seeds && step(-1, "left", "Previous seed")}${seeds && step(1, "right", "Next seed")}</span>`;
  }

  /** What can be shown: pairs of a value and its name. @param {Model} board @param {View} view @returns {[string, string][]} */
  function choices(board, view) {
    const count = Bar.piled(board, view).reduce((product, id) => product * (view.keep[id]?.length ?? board.dim(id).size), 1);
    const direction = board.metrics[board.metric(view.metric)]?.higher_is_better;
    const [best, worst] = direction == null ? ["highest", "lowest"] : ["best", "worst"];
    const of = ` of ${count}`;
    /** @type {[string, string][]} */
    const ranked = board.metrics.length ? [["median", "median" + of], ["best", best + of], ["worst", worst + of], ["first", "first" + of]] : [];
    if (!Seeds.piled(board, view)) return [["typical", "first" + of], ...ranked.filter(([value]) => value !== "first")];
    const one = Seeds.one(board, { ...view, seed: null });
    /** @type {[string, string][]} */
    const seeds = Array.from({ length: board.dim(Board.SEED).size }, (_, seed) => /** @type {[string, string]} */ ([`seed ${seed}`, Seeds.name(board, seed)]))
      .filter((_, seed) => seed < LISTED || seed === view.seed);
    return [["typical", one === null ? "each prompt's typical seed" : `${Seeds.name(board, one)}, typical`], ...seeds, ...ranked];
  }

  /** @param {Event} event */
  function choose(event) {
    const value = /** @type {HTMLSelectElement} */ (event.target).value;
    Store.set(value.startsWith("seed ") ? { pick: "typical", seed: Number(value.slice(5)) } : { pick: value, seed: null });
  }

  return Picks;
})();
