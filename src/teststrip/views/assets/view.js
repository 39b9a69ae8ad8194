/**
 * The view: which dimension stands where, what is shown, filtered, opened. Kept whole in the address of the page, so
 * that a link shows what its sender saw. Pure functions; knows nothing of the screen.
 *
 * A dimension stands in one of five zones: rows, cols (outer to inner), by (a section for each level), flip (one level
 * at a time, a slider) or pile (all levels in one cell, of which one picture is shown).
 *
 * @typedef {"rows" | "cols" | "by" | "flip" | "pile"} Zone
 * @typedef {{rows: string[], cols: string[], by: string[], flip: string[], pile: string[],
 *   at: Record<string, number>, keep: Record<string, number[]>, order: Record<string, string>,
 *   pick: string, seed: number | null, metric: string, tint: boolean, against: string, low: number | null, high: number | null, only: string, tag: string,
 *   layout: string, sort: string, size: number, open: number | null, cmp: number[], mode: string,
 *   roi: number[] | null, zoom: number, star: number[], charts: boolean, table: boolean, fit: boolean, found: string}} View
 */
const View = (() => {
  /** @type {Zone[]} */
  const ZONES = ["rows", "cols", "by", "flip", "pile"];
  const PICKS = ["typical", "median", "best", "worst", "first"];
  const MODES = ["side", "slider", "blink", "difference"];
  const SORTS = ["plan", "score", "-score", "prompt", "level", "failed", "starred"];
  const AGAINST = ["prompt", "nothing"];
  const ORDERS = ["score", "-score", "name", "-name"];

  /**
   * What a page shows when its address says nothing: the first axis across, the second down, further axes on sliders,
   * a section for each prompt, and of the seeds each prompt's typical one.
   * @param {Model} board
   * @returns {View}
   */
  function defaults(board) {
    const axes = board.dims.filter((dim) => dim.kind !== "prompt" && dim.kind !== "seed" && dim.size > 1);
    const [first, second, ...more] = axes.map((dim) => dim.id);
    const prompts = board.dim(Board.PROMPT).size > 1;
    const zones = {
      cols: [first ?? Board.SEED],
      rows: second ? [second] : prompts ? [Board.PROMPT] : [],
      by: second && prompts ? [Board.PROMPT] : [],
      flip: more,
    };
    const placed = new Set(Object.values(zones).flat());
    const pile = board.dims.map((dim) => dim.id).filter((id) => !placed.has(id));
    return {
      ...zones, pile, at: {}, keep: {}, order: {}, pick: "typical", seed: null, metric: leading(board), tint: false,
      against: "prompt", low: null, high: null, only: "", tag: "", layout: "grid", sort: "plan", size: 0, open: null,
      cmp: [], mode: "", roi: null, zoom: 1, star: [], charts: false, table: false, fit: false, found: "",
    };
  }

  /** The metric that picks and tints: the question's first one with a good end, else the first. @param {Model} board */
  function leading(board) {
    const asked = board.study.question.filter((name) => board.metric(name) >= 0);
    const names = [...asked, ...board.metrics.map((metric) => metric.name)];
    return names.find((name) => board.metrics[board.metric(name)].higher_is_better === true) ?? names[0] ?? "";
  }

  /**
   * The view that an address names. Whatever is unknown or impossible there is left out; nothing raises.
   * @param {string} hash with or without "#"
   * @param {Model} board
   * @returns {View}
   */
  function parse(hash, board) {
    const view = defaults(board);
    const query = new URLSearchParams(hash.replace(/^#/, ""));
    const known = new Set(board.dims.map((dim) => dim.id));
    /** @type {Partial<Record<Zone, string[]>>} */
    const asked = {};
    const taken = new Set();
    for (const zone of ZONES) {
      const text = query.get(zone);
      if (text === null) continue;
      asked[zone] = words(text).filter((id) => known.has(id) && !taken.has(id) && taken.add(id));
    }
    if (Object.keys(asked).length > 0) {
      for (const zone of ZONES) view[zone] = (asked[zone] ?? view[zone]).filter((id) => asked[zone] || !taken.has(id));
      const placed = new Set(ZONES.flatMap((zone) => view[zone]));
      const piled = new Set(view.pile);
      view.pile = [...known].filter((id) => piled.has(id) || !placed.has(id));
    }
    for (const dim of board.dims) {
      const at = whole(query.get("at." + dim.id), dim.size);
      if (at !== null) view.at[dim.id] = at;
      const keep = wholes(query.get("keep." + dim.id), dim.size);
      if (keep.length > 0) view.keep[dim.id] = keep;
      const order = query.get("order." + dim.id);
      if (order && ORDERS.includes(order)) view.order[dim.id] = order;
    }
    view.pick = oneOf(query.get("pick"), PICKS, view.pick);
    view.seed = view.pick === "typical" ? whole(query.get("seed"), board.dim(Board.SEED).size) : null;
    view.metric = oneOf(query.get("metric"), board.metrics.map((metric) => metric.name), view.metric);
    view.tint = query.get("tint") === "1";
    view.against = oneOf(query.get("against"), AGAINST, view.against);
    view.low = number(query.get("low"));
    view.high = number(query.get("high"));
    view.only = oneOf(query.get("only"), ["failed", "starred"], "");
    view.tag = query.get("tag") ?? "";
    view.layout = oneOf(query.get("layout"), ["grid", "wall"], "grid");
    view.sort = oneOf(query.get("sort"), SORTS, "plan");
    view.size = Math.min(Math.max(number(query.get("size")) ?? 0, 0), 1024);
    view.open = whole(query.get("open"), board.places.length);
    view.cmp = wholes(query.get("cmp"), board.places.length).filter((i) => board.places[i].file).slice(0, 4);
    view.mode = view.cmp.length > 1 ? oneOf(query.get("mode"), MODES, "") : "";
    const roi = words(query.get("roi") ?? "").map(Number);
    view.roi = roi.length === 4 && roi.every((x) => x >= 0 && x <= 1) && roi[2] > 0 && roi[3] > 0 ? roi : null;
    view.zoom = Math.min(Math.max(number(query.get("zoom")) ?? 1, 1), 16);
    view.star = wholes(query.get("star"), board.places.length);
    view.charts = query.get("charts") === "1";
    view.table = query.get("table") === "1";
    view.fit = query.get("fit") === "1";
    view.found = query.get("found") ?? "";
    return view;
  }

  /**
   * The address of a view; only what differs from the defaults.
   * @param {View} view
   * @param {Model} board
   * @returns {string} without "#"
   */
  function format(view, board) {
    const usual = defaults(board);
    const query = new URLSearchParams();
    const moved = ZONES.some((zone) => view[zone].join() !== usual[zone].join());
    for (const zone of ZONES) if (moved && zone !== "pile") query.set(zone, view[zone].map(encodeURIComponent).join());
    for (const dim of board.dims) {
      if (view.at[dim.id]) query.set("at." + dim.id, String(view.at[dim.id]));
      if (view.keep[dim.id]) query.set("keep." + dim.id, view.keep[dim.id].join());
      if (view.order[dim.id]) query.set("order." + dim.id, view.order[dim.id]);
    }
    for (const key of /** @type {const} */ (["pick", "metric", "against", "only", "tag", "layout", "sort", "mode", "size", "zoom", "found"]))
      if (view[key] !== usual[key]) query.set(key, String(view[key]));
    for (const key of /** @type {const} */ (["tint", "charts", "table", "fit"])) if (view[key]) query.set(key, "1");
    for (const key of /** @type {const} */ (["seed", "low", "high", "open"]))
      if (view[key] !== null) query.set(key, String(view[key]));
    for (const key of /** @type {const} */ (["cmp", "star"])) if (view[key].length) query.set(key, view[key].join());
    if (view.roi) query.set("roi", view.roi.map((x) => Number(x.toFixed(6))).join());
    return query.toString().replaceAll("%2C", ",");
  }

  /**
   * The view with a dimension moved to a zone; before a position there, or at its end.
   * @param {View} view @param {string} id @param {Zone} zone @param {number} [position]
   * @returns {View}
   */
  function move(view, id, zone, position = Infinity) {
    const next = { ...view };
    for (const other of ZONES) next[other] = view[other].filter((each) => each !== id);
    next[zone] = [...next[zone]];
    next[zone].splice(position, 0, id);
    return next;
  }

  /** The view with two dimensions changing places. @param {View} view @param {string} a @param {string} b */
  function swap(view, a, b) {
    const next = { ...view };
    for (const zone of ZONES) next[zone] = view[zone].map((id) => (id === a ? b : id === b ? a : id));
    return next;
  }

  /** The zone that a dimension stands in. @param {View} view @param {string} id @returns {Zone} */
  const zoneOf = (view, id) => ZONES.find((zone) => view[zone].includes(id)) ?? "pile";

  /** @param {string} text */
  const words = (text) => text.split(",").filter(Boolean).map(decoded);

  /** @param {string} text */
  function decoded(text) {
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  }

  /** @param {string | null} text @param {string[]} choices @param {string} otherwise */
  const oneOf = (text, choices, otherwise) => (text !== null && choices.includes(text) ? text : otherwise);

  /** @param {string | null} text */
  const number = (text) => (text === null || text.trim() === "" || !Number.isFinite(Number(text)) ? null : Number(text));

  /** @param {string | null} text @param {number} below */
  function whole(text, below) {
    const value = number(text);
    return value !== null && Number.isInteger(value) && value >= 0 && value < below ? value : null;
  }

  /** @param {string | null} text @param {number} below */
  const wholes = (text, below) =>
    [...new Set((text ?? "").split(",").map((part) => whole(part, below)))].filter((n) => n !== null);

  return { ZONES, PICKS, AGAINST, MODES, SORTS, defaults, leading, parse, format, move, swap, zoneOf };
})();
