/** What the page says of a place in words: its levels, its label for a screen reader, its rows of settings. */
const Say = (() => {
  /** Levels on the axes of the study that have a choice. @param {Model} board @param {Place} place @returns {[string, string][]} */
  const levels = (board, place) =>
    board.dims
      .filter((dim) => dim.kind !== "prompt" && dim.kind !== "seed" && dim.size > 1)
      .map((dim) => [dim.title, dim.labels[board.level(place, dim.id)]]);

  /** One line for a screen reader: levels, prompt, seed, and what is there. @param {Model} board @param {View} view @param {Place} place */
  function label(board, view, place) {
    const where = levels(board, place).map(([title, level]) => `${title} ${level}`);
    const score = Board.score(board, place, view.metric);
    const what = place.failure
      ? `failed, ${place.failure.reason}: ${place.failure.text}`
      : !place.file ? "not made yet" : score === null ? "" : `${Board.title(board, view.metric)} ${Phrases.number(score)}`;
    return [...where, Board.promptOf(board, place), `seed ${place.seed}`, what, view.star.includes(place.i) ? "starred" : ""]
      .filter(Boolean).join(", ");
  }

  /** What was measured, as pairs. @param {Model} board @param {Place} place @returns {[string, string][]} */
  function measured(board, place) {
    /** @type {[string, string][]} */
    const rows = [];
    const timed = board.metrics.some((metric) => metric.name === "seconds");
    if (!timed && place.seconds != null) rows.push(["seconds", Phrases.number(place.seconds)]);
    board.metrics.forEach((metric, n) => {
      const value = place.scores?.[n];
      if (value != null) rows.push([Board.title(board, metric.name), Phrases.number(value) + (metric.unit && metric.unit !== metric.name ? " " + metric.unit : "")]);
    });
    return rows;
  }

  /** A text that may be broken before the capitals of a class name ("EulerAncestralDiscrete"). @param {string} text */
  const broken = (text) => pieces(text).map((piece, n) => (n ? html`<wbr />${piece}` : piece));

  /** The text cut where a class name may be broken: "EulerDiscrete" is "Euler" and "Discrete". @param {string} text */
  const pieces = (text) => text.split(/(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/);

  /** @param {unknown} value */
  const value = (value) => (value === null ? "none" : value === "" ? "empty" : String(value));

  /** Settings beyond the levels shown above them: what differs first, then what all share. @param {Model} board @param {Place} place @returns {[string, string][]} */
  function settings(board, place) {
    const axes = new Set(board.axes.filter((axis) => axis.kind === "setting" || axis.kind === "option").map((axis) => axis.name));
    const cell = board.cells[place.cell];
    const varied = board.axes.flatMap((axis) => (axis.options ?? []).flatMap(Object.keys));
    const options = Object.fromEntries(varied.filter((name) => name in cell.options).map((name) => [name, cell.options[name]]));
    const all = { ...options, ...cell.settings, ...board.study.settings };
    return Object.entries(all).filter(([name]) => !axes.has(name)).map(([name, each]) => [Board.title(board, name), value(each)]);
  }

  /** The subtitle of the study. @param {Model} board */
  function study(board) {
    const cells = board.axes.reduce((product, axis) => product * axis.labels.length, 1);
    const seen = new Set(board.cells.map((cell) => cell.at.join())).size;
    return [Phrases.count(board.prompts.length, "prompt"), Phrases.count(board.study.replicates, "seed"), Phrases.count(seen || cells, "setting")].join(" × ");
  }

  return { broken, pieces, levels, label, measured, settings, value, study };
})();
