/**
 * The arithmetic of the page: means, intervals, which picture of a pile stands for it. Knows no screen and no words.
 *
 * @typedef {{mean: number, low: number, high: number, n: number}} Estimate
 */
const Numbers = (() => {
  /** Two-sided 95 % points of Student's t for 1..30 degrees of freedom; beyond, the expansion is good to 0.001. */
  const T95 = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131,
    2.12, 2.11, 2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042];

  /** @param {number} degrees */
  const t95 = (degrees) => T95[degrees - 1] ?? 1.96 + 2.37 / degrees;

  /** @param {number[]} values */
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

  /** @param {number[]} values */
  function deviation(values) {
    const middle = mean(values);
    return Math.sqrt(values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1));
  }

  /**
   * The mean with its 95 % interval (Student); low and high are NaN below two values.
   * @param {number[]} values
   * @returns {Estimate}
   */
  function estimate(values) {
    const n = values.length;
    const middle = mean(values);
    const half = n > 1 ? (t95(n - 1) * deviation(values)) / Math.sqrt(n) : NaN;
    return { mean: middle, low: middle - half, high: middle + half, n };
  }

  /**
   * Level means over prompts with within-prompt intervals (Cousineau 2005 with Morey's 2008 correction): the spread
   * between prompts is taken out first, because every level saw the same prompts.
   * @param {number[][]} table one row a prompt, one number a level; rows with a gap are left out
   * @returns {Estimate[]} one a level
   */
  function within(table) {
    const whole = table.filter((row) => row.every(Number.isFinite));
    if (whole.length === 0) return [];
    const levels = whole[0].length;
    const grand = mean(whole.flat());
    const shrink = levels > 1 ? Math.sqrt(levels / (levels - 1)) : 1;
    return Array.from({ length: levels }, (_, level) => {
      const centred = whole.map((row) => row[level] - mean(row) + grand);
      const found = estimate(centred);
      const half = (found.high - found.mean) * shrink;
      return { mean: found.mean, low: found.mean - half, high: found.mean + half, n: whole.length };
    });
  }

  /**
   * The place of a pile that is shown for it. The median is the lower middle one by score, so a picture that exists;
   * places without a score come last, without any score the first is shown.
   * @param {Model} board @param {Place[]} places of one cell @param {string} pick @param {string} metric
   * @returns {Place | undefined}
   */
  function choose(board, places, pick, metric) {
    const pictured = places.filter((place) => place.file);
    if (pictured.length === 0) return places[0];
    const scored = pictured.filter((place) => Board.score(board, place, metric) !== null);
    if (pick === "first" || scored.length === 0) return pictured[0];
    const direction = board.metrics[board.metric(metric)].higher_is_better === false ? -1 : 1;
    const value = (/** @type {Place} */ place) => direction * /** @type {number} */ (Board.score(board, place, metric));
    const ranked = [...scored].sort((a, b) => value(a) - value(b) || a.i - b.i);
    if (pick === "best") return ranked[ranked.length - 1];
    if (pick === "worst") return ranked[0];
    return ranked[(ranked.length - 1) >> 1];
  }

  /** The finite scores of places. @param {Model} board @param {Place[]} places @param {string} metric @returns {number[]} */
  const scores = (board, places, metric) =>
    places.map((place) => Board.score(board, place, metric)).filter((value) => value !== null);

  /** @param {number} value @param {number} low @param {number} high */
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

  return { t95, mean, deviation, estimate, within, choose, scores, clamp };
})();
