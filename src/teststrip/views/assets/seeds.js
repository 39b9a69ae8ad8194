/**
 * Which seed stands for a prompt, and which picture for a cell. Pure functions; `rows/seeds.py` and `rows/grid.py` have
 * the same rules, so that a contact sheet of the command line shows what the page shows.
 *
 * A grid should show what a setting does, so all cells of a prompt show one seed: the typical one, or the one that a
 * person chose (`view.seed`). A seed is named by its replicate, which is counted from 0.
 */
const Seeds = (() => {
  /** @type {WeakMap<Model, Map<string, number[]>>} */
  const known = new WeakMap(); // an update of the board makes another object, so what is known here stays true

  /**
   * The typical seed of each prompt: the one whose score, averaged over all cells of the prompt, is the median.
   *
   * Each score counts as its distance from the mean of its cell, so that a seed which lacks a hard cell gains nothing.
   * Of an even number of seeds the lower middle one is typical; without any score it is the first.
   * @param {Model} board @param {string} metric
   */
  function typical(board, metric) {
    const own = known.get(board) ?? new Map();
    known.set(board, own);
    if (!own.has(metric)) own.set(metric, found(board, metric).map(median));
    return /** @type {number[]} */ (own.get(metric));
  }

  /** The scores by prompt, seed and cell. @param {Model} board @param {string} metric */
  function found(board, metric) {
    const scores = board.prompts.map(() => /** @type {Map<number, number>[]} */ ([]));
    for (const place of board.places) {
      const score = place.file ? Board.score(board, place, metric) : null;
      if (score !== null) (scores[place.prompt][place.replicate] ??= new Map()).set(place.cell, score);
    }
    return scores;
  }

  /** The lower middle seed by its mean distance from the means of the cells. @param {Map<number, number>[]} seeds */
  function median(seeds) {
    const order = [...seeds.keys()].filter((seed) => seeds[seed]);
    /** @type {Map<number, number[]>} */
    const cells = new Map();
    for (const seed of order)
      for (const [cell, score] of seeds[seed]) {
        if (!cells.has(cell)) cells.set(cell, []);
        cells.get(cell)?.push(score);
      }
    const centre = new Map([...cells].map(([cell, scores]) => [cell, Numbers.mean(scores)]));
    const means = new Map(order.map((seed) => [seed, Numbers.mean([...seeds[seed]].map(([cell, score]) => score - Number(centre.get(cell))))]));
    const ranked = order.sort((a, b) => Number(means.get(a)) - Number(means.get(b)) || a - b);
    return ranked.length ? ranked[(ranked.length - 1) >> 1] : 0;
  }

  /** The seed that the view shows of a prompt, where it shows one seed of it. @param {Model} board @param {View} view @param {number} prompt */
  const of = (board, view, prompt) => view.seed ?? typical(board, view.metric)[prompt];

  /** Whether the cells hold several seeds, so that one must be chosen. @param {Model} board @param {View} view */
  const piled = (board, view) => view.layout !== "wall" && view.pile.includes(Board.SEED) && board.dim(Board.SEED).size > 1;

  /**
   * The place that is shown for a cell; the seed of the view first, and where it has no picture another seed.
   * @param {Model} board @param {View} view @param {Place[]} places of one cell
   * @returns {Place | undefined}
   */
  function choose(board, view, places) {
    if (view.pick !== "typical") return Numbers.choose(board, places, view.pick, view.metric);
    if (places.length < 2) return places[0];
    const other = (/** @type {Place} */ place) => Number(of(board, view, place.prompt) !== place.replicate);
    const pictured = places.filter((place) => place.file);
    if (pictured.length === 0) return places.find((place) => !other(place)) ?? places[0];
    return pictured.reduce((best, place) => ((other(place) - other(best) || place.prompt - best.prompt || place.i - best.i) < 0 ? place : best));
  }

  /**
   * The place of a cell that is like a place of another cell: with its seed, and its levels on all that lies together.
   * @param {Model} board @param {View} view @param {Place[]} places @param {Place} place
   */
  function like(board, view, places, place) {
    const same = places.filter((each) => each.replicate === place.replicate);
    const alike = (/** @type {string[]} */ ids) => same.find((each) => ids.every((id) => board.level(each, id) === board.level(place, id)));
    return alike(view.pile) ?? alike(view.pile.filter((id) => id === Board.PROMPT)) ?? same[0];
  }

  /**
   * The seed that the cells of a row should show: null where each prompt has its own, else that of the row's first.
   * @param {Model} board @param {View} view @param {Pivot} pivot @param {Section} section @param {Line} row
   */
  function ofRow(board, view, pivot, section, row) {
    if (view.pick === "typical" || !piled(board, view)) return null;
    const first = pivot.cols.map((col) => choose(board, view, pivot.places(section, row, col))).find((place) => place?.file);
    return first ? first.replicate : null;
  }

  /** Whether a place shows another seed than its row does. @param {Model} board @param {View} view @param {Place} place @param {number | null} row as `ofRow` has it */
  const strays = (board, view, place, row) => piled(board, view) && place.replicate !== (row ?? of(board, view, place.prompt));

  /** Whether the grid shows several seeds of a prompt. @param {Model} board @param {View} view @param {Pivot} pivot */
  function differ(board, view, pivot) {
    /** @type {Map<number, number>} */
    const seen = new Map();
    const other = (/** @type {Place | undefined} */ place) => {
      if (!place?.file) return false;
      if (!seen.has(place.prompt)) seen.set(place.prompt, place.replicate);
      return seen.get(place.prompt) !== place.replicate;
    };
    return piled(board, view) && pivot.sections.some((section) => section.rows.some((row) =>
      pivot.cols.some((col) => other(choose(board, view, pivot.places(section, row, col))))));
  }

  /** The prompts that pass the filters. @param {Model} board @param {View} view */
  const prompts = (board, view) => view.keep[Board.PROMPT] ?? board.prompts.map((_, n) => n);

  /** The one seed that all prompts of the view show, or null where theirs differ. @param {Model} board @param {View} view @returns {number | null} */
  function one(board, view) {
    const seeds = new Set(prompts(board, view).map((prompt) => of(board, view, prompt)));
    return seeds.size === 1 ? [...seeds][0] : null;
  }

  /**
   * The view with the next seed in all sections; from the typical seeds of several prompts to the first or the last.
   * @param {Model} board @param {View} view @param {number} by 1 or -1 @returns {Partial<View>}
   */
  function step(board, view, by) {
    const count = board.dim(Board.SEED).size;
    const now = view.pick === "typical" ? one(board, view) : null;
    const next = now === null ? (by > 0 ? 0 : count - 1) : (now + by + count) % count;
    return { pick: "typical", seed: next };
  }

  /** "seed 1 of 6". @param {Model} board @param {number} seed */
  const name = (board, seed) => `seed ${seed + 1} of ${board.dim(Board.SEED).size}`;

  /** What the view shows of a cell's pictures, in words; "" where there is no choice. @param {Model} board @param {View} view */
  function said(board, view) {
    if (!piled(board, view)) return "";
    const score = view.metric ? ` by ${Board.title(board, view.metric)}` : "";
    if (view.pick !== "typical") return `${view.pick} picture of each cell` + (view.pick === "first" ? "" : score);
    const seed = one(board, view);
    return seed === null ? `each prompt's typical seed${score}` : name(board, seed) + (view.seed === null ? `, the typical one${score}` : "");
  }

  /** The seed of a section where sections show different ones, else "". @param {Model} board @param {View} view @param {Section} section */
  function ofSection(board, view, section) {
    const n = view.by.indexOf(Board.PROMPT);
    if (n < 0 || view.pick !== "typical" || !piled(board, view) || one(board, view) !== null) return "";
    return name(board, of(board, view, section.levels[n]));
  }

  /**
   * The pictures of a comparison with the seed of the first, or null where their seeds are equal, or nothing but the
   * seed tells them apart, or a picture is missing.
   * @param {Model} board @param {Place[]} places @returns {Place[] | null}
   */
  function aligned(board, places) {
    const [first] = places;
    const seed = board.index(Board.SEED);
    if (places.every((place) => place.replicate === first.replicate)) return null;
    const found = places.map((place) => board.places.find((each) => each.file && each.replicate === first.replicate && each.at.every((level, n) => n === seed || level === place.at[n])));
    return found.every((place) => place !== undefined) && new Set(found).size === places.length ? found : null;
  }

  return { typical, of, piled, choose, like, ofRow, strays, differ, one, step, name, said, ofSection, aligned };
})();
