/**
 * The board as the page works with it: dimensions and places.
 *
 * Reads the plain data of `views/board.py`; knows nothing of the screen. A *dimension* is an axis of the study, the
 * prompt, or the seed (replicate); a *place* is one planned picture with its level on every dimension.
 *
 * @typedef {{id: string, title: string, kind: string, labels: string[], numbers: number[] | null, size: number}} Dim
 * @typedef {{reason: string, text: string, retryable: boolean}} Failure
 * @typedef {{i: number, shot: string, cell: number, prompt: number, replicate: number, seed: number, text?: string,
 *   file?: string, thumb?: string, digest?: string, size?: [number, number], seconds?: number | null, calls?: number,
 *   scores?: (number | null)[], failure?: Failure, at: number[]}} Place
 * @typedef {{name: string, unit: string, higher_is_better: boolean | null}} Metric
 * @typedef {{at: number[], engine: string, options: Record<string, unknown>, settings: Record<string, unknown>}} Cell
 * @typedef {{label: string, x: number | null, mean: number | null, low: number | null, high: number | null, prompts: number, text: string}} LevelPoint
 * @typedef {{metric: string, axis: string, contrast: string, effect: number | null, low: number | null,
 *   high: number | null, level: number | null, margin: number | null, p: number | null, prompts: number,
 *   images: number, scope: string, verdict: string, method: string, more_prompts: number | null, sentence: string, detail: string,
 *   headline: string, lines: string[], answer: string,
 *   kind?: string, design?: string, limits?: string[],
 *   levels?: LevelPoint[], curves?: {axis: string, by: string, label: string, points: LevelPoint[]}[]}} Finding
 * @typedef {{headline: string, about: string, facts: string[], why: string, beside: string, step: string, caveats: string[], settled: boolean, metric: string,
 *   at: number[] | null}} Said
 * @typedef {{at: number[], name: string, scores: (number | null)[], texts: string[], seconds: number | null, time: string,
 *   calls: number | null, called: string, images: number, mark: string}} SettingRow
 * @typedef {{scores: string[], rows: SettingRow[]}} SettingTable
 * @typedef {{answer?: Said, cards?: {finding: number, also: string[]}[], costs?: string[], settings?: SettingTable}} Head
 * @typedef {{name: string, engines: Record<string, string>, settings: Record<string, unknown>, replicates: number,
 *   question: string[], seeds: number[] | null}} Study
 * @typedef {{total: number, made: number, failed: number, seconds_left?: number | null, running?: boolean, at?: string}} Progress
 * @typedef {{study: Study, axes: {name: string, kind: string, labels: string[], short?: string[], numbers: number[] | null, logarithmic?: boolean,
 *   settings: Record<string, unknown>[], options?: Record<string, unknown>[]}[], prompts: {id: string, text: string, tags: string[], label?: string, pictures?: Record<string, string>}[], metrics: Metric[],
 *   titles: Record<string, string>, cells: Cell[], places: Place[], findings: Finding[], head: Head, warnings?: string[], across?: string, votes?: string[], progress: Progress, root: string, live?: boolean}} RawBoard
 * @typedef {RawBoard & {dims: Dim[], dim: (id: string) => Dim, index: (id: string) => number,
 *   level: (place: Place, id: string) => number, metric: (name: string) => number, pictured: number}} Model
 */
const Board = (() => {
  const PROMPT = "prompt";
  const SEED = "seed";

  /** What people call an axis, a score or a setting. @param {RawBoard} board @param {string} name */
  const title = (board, name) => (Object.hasOwn(board.titles, name) ? board.titles[name] : name);

  /** A label with the name of its axis, as a heading says it; prompts and seeds need none. @param {Dim} dim @param {string} label */
  const named = (dim, label) => (dim.kind === "prompt" || dim.kind === "seed" ? label : `${dim.title} ${label}`);

  /**
   * The model of a raw board; places get their level on every dimension.
   * @param {RawBoard} raw
   * @returns {Model}
   */
  function model(raw) {
    /** @type {Dim[]} */
    const dims = raw.axes.map((axis) => ({
      id: axis.name === PROMPT || axis.name === SEED ? axis.name + "_" : axis.name,
      title: title(raw, axis.name),
      kind: axis.kind,
      labels: axis.short ?? axis.labels,
      numbers: axis.numbers,
      size: axis.labels.length,
    }));
    dims.push({
      id: PROMPT, title: "prompt", kind: "prompt", labels: raw.prompts.map((prompt) => prompt.label ?? prompt.text),
      numbers: null, size: raw.prompts.length,
    });
    const seeds = raw.study.seeds
      ? raw.study.seeds.map((seed) => "seed " + seed)
      : Array.from({ length: raw.study.replicates }, (_, n) => "seed " + (n + 1));
    dims.push({ id: SEED, title: "seed", kind: "seed", labels: seeds, numbers: null, size: seeds.length });

    const position = new Map(dims.map((dim, n) => [dim.id, n]));
    for (const place of raw.places) locate(raw, place);
    return Object.assign(raw, {
      dims,
      /** @param {string} id */
      dim: (id) => dims[/** @type {number} */ (position.get(id))],
      /** @param {string} id */
      index: (id) => position.get(id) ?? -1,
      /** @param {Place} place @param {string} id */
      level: (place, id) => place.at[/** @type {number} */ (position.get(id))],
      /** @param {string} name */
      metric: (name) => raw.metrics.findIndex((metric) => metric.name === name),
      pictured: raw.places.reduce((n, place) => n + (place.file ? 1 : 0), 0),
    });
  }

  /** Give a place its level on every dimension: axes, prompt, seed. @param {RawBoard} raw @param {Place} place */
  function locate(raw, place) {
    place.at = [...raw.cells[place.cell].at, place.prompt, place.replicate];
  }

  /** The text that the model read. @param {Model} board @param {Place} place */
  const promptOf = (board, place) => place.text ?? board.prompts[place.prompt].text;

  /** The score of a place, null when there is none. @param {Model} board @param {Place} place @param {string} metric */
  function score(board, place, metric) {
    const n = board.metric(metric);
    return n < 0 ? null : place.scores?.[n] ?? null;
  }

  /** All settings of a place but prompt and seed. @param {Model} board @param {Place} place */
  const settings = (board, place) => ({ ...board.study.settings, ...board.cells[place.cell].settings });

  /** Where the file of a place lies, as seen from the page. @param {Model} board @param {Place} place */
  const full = (board, place) => address(board, place.file);

  /** The file for a cell of the grid. @param {Model} board @param {Place} place */
  const thumb = (board, place) => (place.thumb ? address(board, place.thumb) : full(board, place));

  /** @param {{root: string}} board @param {string | undefined} file */
  const address = (board, file) =>
    !file ? "" : file.startsWith("data:") ? file : board.root + file.split("/").map(encodeURIComponent).join("/");

  return { PROMPT, SEED, named, model, locate, promptOf, score, settings, full, thumb, title };
})();
