/**
 * The heat map: what a cell's colour says, on one scale for the whole study. Pure functions, and the two ramps.
 *
 * By default a colour says how far the mean of a cell lies from the mean of its prompt, because prompts differ more than
 * settings do. The ends of the scale come from all cells of the study, so that neither a slider nor a filter moves them.
 *
 * @typedef {{mean: number, share: number}} Heat the mean score of a cell, and where its colour lies on the ramp, 0..1
 */
const Tint = (() => {
  // Viridis (van der Walt and Smith 2015) at nine points: dark to light, readable for colour-blind people and in print.
  const VIRIDIS = [[68, 1, 84], [72, 40, 120], [62, 74, 137], [49, 104, 142], [38, 130, 142], [31, 158, 137], [53, 183, 121], [144, 215, 67], [253, 231, 37]];
  // PuOr (Brewer 2003) at nine points, violet for what is below the mean; safe for colour-blind people.
  const PUOR = [[84, 39, 136], [128, 115, 172], [178, 171, 210], [216, 218, 235], [247, 247, 247], [254, 224, 182], [253, 184, 99], [224, 130, 20], [179, 88, 6]];

  /** @type {WeakMap<Model, Map<string, {centres: number[], ends: [number, number] | null}>>} */
  const known = new WeakMap(); // an update of the board makes another object, so what is known here stays true

  /** The scale of a view: the mean of each prompt, which is 0 on an absolute scale, and the ends. @param {Model} board @param {View} view */
  function scale(board, view) {
    const averaged = view.layout !== "wall" && view.pile.includes(Board.SEED) && !view.keep[Board.SEED];
    const key = [view.metric, view.against, averaged].join();
    const own = known.get(board) ?? new Map();
    known.set(board, own);
    if (!own.has(key)) own.set(key, measured(board, view, averaged));
    return /** @type {{centres: number[], ends: [number, number] | null}} */ (own.get(key));
  }

  /** @param {Model} board @param {View} view @param {boolean} averaged whether a cell shows the mean of its seeds */
  function measured(board, view, averaged) {
    const prompts = groups(board, view.metric, (place) => place.prompt);
    const centres = board.prompts.map((_, n) => (view.against === "prompt" && prompts.has(n) ? Numbers.mean(/** @type {number[]} */ (prompts.get(n))) : 0));
    const cells = groups(board, view.metric, (place) => (averaged ? place.prompt * board.cells.length + place.cell : place.i), centres);
    const means = [...cells.values()].map(Numbers.mean);
    if (means.length === 0) return { centres, ends: null };
    const [low, high] = means.reduce(([a, b], mean) => [Math.min(a, mean), Math.max(b, mean)], [Infinity, -Infinity]);
    const far = Math.max(-low, high);
    return { centres, ends: /** @type {[number, number]} */ (view.against === "prompt" ? [-far, far] : [low, high]) };
  }

  /** The scores of places in groups, less the mean of their prompt. @param {Model} board @param {string} metric @param {(place: Place) => number} key @param {number[]} [centres] */
  function groups(board, metric, key, centres = []) {
    /** @type {Map<number, number[]>} */
    const found = new Map();
    for (const place of board.places) {
      const score = Board.score(board, place, metric);
      if (score === null) continue;
      const own = found.get(key(place));
      const value = score - (centres[place.prompt] ?? 0);
      if (own) own.push(value);
      else found.set(key(place), [value]);
    }
    return found;
  }

  /** What the colour of a cell says; null where nothing is tinted. @param {Model} board @param {View} view @param {Place[]} places of the cell @returns {Heat | null} */
  function of(board, view, places) {
    const values = view.tint ? Numbers.scores(board, places, view.metric) : [];
    const { centres, ends } = scale(board, view);
    if (values.length === 0 || !ends) return null;
    const scored = places.filter((place) => Board.score(board, place, view.metric) !== null);
    const value = Numbers.mean(values) - Numbers.mean(scored.map((place) => centres[place.prompt]));
    return { mean: Numbers.mean(values), share: ends[0] === ends[1] ? 0.5 : Numbers.clamp((value - ends[0]) / (ends[1] - ends[0]), 0, 1) };
  }

  /** The ends of the scale in words, with their sign where they are differences; null where there is no score. @param {Model} board @param {View} view @returns {[string, string] | null} */
  function ends(board, view) {
    const found = scale(board, view).ends;
    if (!found) return null;
    const sign = view.against === "prompt" && found[1] > 0 ? "+" : "";
    return [Phrases.number(found[0]), sign + Phrases.number(found[1])];
  }

  /** What the colours say, in words. @param {Model} board @param {View} view */
  const said = (board, view) => Board.title(board, view.metric) + (view.against === "prompt" ? " against this prompt's mean" : ", absolute");

  /** @param {View} view */
  const ramp = (view) => (view.against === "prompt" ? PUOR : VIRIDIS);

  /** @param {number} share 0..1 @param {number[][]} [stops] @returns {number[]} red, green, blue, 0..255 */
  function rgb(share, stops = VIRIDIS) {
    const at = Numbers.clamp(share, 0, 1) * (stops.length - 1);
    const n = Math.min(stops.length - 2, Math.floor(at));
    return stops[n].map((low, k) => Math.round(low + (stops[n + 1][k] - low) * (at - n)));
  }

  /** @param {View} view @param {number} share 0..1 */
  const colour = (view, share) => `rgb(${rgb(share, ramp(view)).join(" ")})`;

  /** The ramp as a background. @param {View} view */
  const gradient = (view) => `linear-gradient(90deg, ${ramp(view).map((stop) => `rgb(${stop.join(" ")})`).join(", ")})`;

  /** "mean 79.0" where the number stands for several pictures, else "79.0". @param {number} mean @param {number} count of pictures with the score */
  const badge = (mean, count) => (count > 1 ? "mean " : "") + Phrases.number(mean);

  return { scale, of, ends, said, rgb, colour, gradient, badge };
})();
