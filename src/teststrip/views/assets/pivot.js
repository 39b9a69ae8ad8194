/**
 * The pivot: which places of the board stand in which cell of which section, and how one walks among them. Pure
 * functions of board and view; knows no pixels (`layout.js` does).
 *
 * @typedef {{key: number, levels: number[], labels: string[]}} Line a row, a column or a section: its levels, outer first
 * @typedef {Line & {rows: Line[], top: number, left: number, width: number, height: number, headTop: number}} Section
 * @typedef {{sections: Section[], cols: Line[], places: (section: Line, row: Line, col: Line) => Place[], shown: number,
 *   rowDims: Dim[], colDims: Dim[], byDims: Dim[]}} Pivot
 */
const Pivot = (() => {
  const NOWHERE = Object.freeze(/** @type {Place[]} */ ([]));

  /** Whether the filters of a view let a place through. @param {Model} board @param {View} view @returns {(place: Place) => boolean} */
  function filter(board, view) {
    const keeps = Object.entries(view.keep).map(([id, levels]) => ({ n: board.index(id), levels: new Set(levels) }));
    const flips = view.layout === "wall" ? [] : view.flip.map((id) => ({ n: board.index(id), level: view.at[id] ?? 0 }));
    const stars = new Set(view.star);
    return (place) => {
      for (const { n, levels } of keeps) if (!levels.has(place.at[n])) return false;
      for (const { n, level } of flips) if (place.at[n] !== level) return false;
      if (view.only === "failed" && !place.failure) return false;
      if (view.only === "starred" && !stars.has(place.i)) return false;
      if (view.tag && !board.prompts[place.prompt].tags.includes(view.tag)) return false;
      if (view.low === null && view.high === null) return true;
      const score = Board.score(board, place, view.metric);
      return score !== null && score >= (view.low ?? -Infinity) && score <= (view.high ?? Infinity);
    };
  }

  /** The pivot of a view. @param {Model} board @param {View} view @returns {Pivot} */
  function of(board, view) {
    const passes = filter(board, view);
    const places = board.places.filter(passes);
    return view.layout === "wall" ? wall(board, view, places) : grid(board, view, places);
  }

  /** @param {Model} board @param {View} view @param {Place[]} places @returns {Pivot} */
  function grid(board, view, places) {
    const zones = { by: view.by, rows: view.rows, cols: view.cols };
    const [by, rows, cols] = Object.values(zones).map((ids) => line(board, view, ids, places));
    /** @type {Map<number, Place[]>} */
    const cells = new Map();
    /** @type {Map<number, Map<number, true>>} */
    const rowsOf = new Map();
    const colsSeen = new Set();
    for (const place of places) {
      const [s, r, c] = [by.key(place), rows.key(place), cols.key(place)];
      const key = (s * rows.count + r) * cols.count + c;
      const cell = cells.get(key);
      if (cell) cell.push(place);
      else cells.set(key, [place]);
      colsSeen.add(c);
      const seen = rowsOf.get(s);
      if (seen) seen.set(r, true);
      else rowsOf.set(s, new Map([[r, true]]));
    }
    /** @type {Section[]} */
    const sections = by.sorted(rowsOf.keys()).map((section) => ({
      ...section,
      labels: section.labels.map((label, n) => Board.named(board.dim(view.by[n]), label)),
      rows: rows.sorted(/** @type {Map<number, true>} */ (rowsOf.get(section.key)).keys()),
      top: 0, left: 0, width: 0, height: 0, headTop: 0,
    }));
    return {
      sections,
      cols: cols.sorted(colsSeen),
      places: (section, row, col) =>
        cells.get((section.key * rows.count + row.key) * cols.count + col.key) ?? /** @type {Place[]} */ (NOWHERE),
      shown: places.length,
      rowDims: view.rows.map(board.dim), colDims: view.cols.map(board.dim), byDims: view.by.map(board.dim),
    };
  }

  /** All pictures one after the other, sorted; rows of as many as fit are cut by `Layout.measure`. @param {Model} board @param {View} view @param {Place[]} places @returns {Pivot} */
  function wall(board, view, places) {
    const stars = new Set(view.star);
    const score = (/** @type {Place} */ place) => Board.score(board, place, view.metric);
    /** @type {Record<string, (a: Place, b: Place) => number>} */
    const orders = {
      plan: () => 0,
      score: (a, b) => (score(a) ?? Infinity) - (score(b) ?? Infinity) || 0,
      "-score": (a, b) => (score(b) ?? -Infinity) - (score(a) ?? -Infinity) || 0,
      prompt: (a, b) => a.prompt - b.prompt,
      level: (a, b) => a.cell - b.cell,
      failed: (a, b) => Number(!a.failure) - Number(!b.failure),
      starred: (a, b) => Number(!stars.has(a.i)) - Number(!stars.has(b.i)),
    };
    const sorted = [...places].sort((a, b) => orders[view.sort](a, b) || a.i - b.i);
    const section = { key: 0, levels: [], labels: [], rows: [], top: 0, left: 0, width: 0, height: 0, headTop: 0 };
    return {
      sections: sorted.length ? [section] : [],
      cols: [],
      places: (_section, row, col) => {
        const place = sorted[row.key + col.key];
        return place ? [place] : /** @type {Place[]} */ (NOWHERE);
      },
      shown: sorted.length, rowDims: [], colDims: [], byDims: [],
    };
  }

  /** Keys, labels and order of the combinations of some dimensions. @param {Model} board @param {View} view @param {string[]} ids @param {Place[]} places */
  function line(board, view, ids, places) {
    const dims = ids.map(board.dim);
    const numbers = ids.map(board.index);
    const ranks = ids.map((id) => rank(board, view, id, places));
    const count = dims.reduce((product, dim) => product * dim.size, 1);
    /** @param {Place} place */
    function key(place) {
      let value = 0;
      for (let n = 0; n < dims.length; n++) value = value * dims[n].size + place.at[numbers[n]];
      return value;
    }
    /** @param {number} key @returns {Line} */
    function made(key) {
      const levels = Array(dims.length);
      let rest = key;
      for (let n = dims.length - 1; n >= 0; n--) {
        levels[n] = rest % dims[n].size;
        rest = Math.floor(rest / dims[n].size);
      }
      return { key, levels, labels: levels.map((level, n) => dims[n].labels[level]) };
    }
    /** @param {Iterable<number>} keys */
    function sorted(keys) {
      const position = (/** @type {Line} */ made) =>
        made.levels.reduce((value, level, n) => value * dims[n].size + ranks[n][level], 0);
      return [...keys].map(made).map((line) => ({ line, at: position(line) })).sort((a, b) => a.at - b.at).map((p) => p.line);
    }
    return { key, count, sorted };
  }

  /** Level -> position: as planned, by name, or by mean score. @param {Model} board @param {View} view @param {string} id @param {Place[]} places @returns {number[]} */
  function rank(board, view, id, places) {
    const dim = board.dim(id);
    const order = view.order[id];
    const levels = dim.labels.map((_, level) => level);
    if (!order) return levels;
    const direction = order.startsWith("-") ? -1 : 1;
    /** @type {(a: number, b: number) => number} */
    let compare;
    if (order.endsWith("name")) {
      compare = (a, b) => dim.labels[a].localeCompare(dim.labels[b], "en", { numeric: true });
    } else {
      const sums = levels.map(() => ({ sum: 0, n: 0 }));
      for (const place of places) {
        const score = Board.score(board, place, view.metric);
        if (score === null) continue;
        const sum = sums[board.level(place, id)];
        sum.sum += score;
        sum.n += 1;
      }
      const value = (/** @type {number} */ level) => (sums[level].n ? sums[level].sum / sums[level].n : direction * Infinity);
      compare = (a, b) => (value(a) === value(b) ? 0 : value(a) - value(b));
    }
    const sorted = [...levels].sort((a, b) => direction * compare(a, b) || a - b);
    const ranks = Array(levels.length);
    sorted.forEach((level, position) => (ranks[level] = position));
    return ranks;
  }

  /** Sections of one picture each, as the flip-book has them: they are laid like words on a line. @param {Pivot} pivot */
  const isLoose = (pivot) => pivot.byDims.length > 0 && pivot.rowDims.length + pivot.colDims.length === 0;

  /** Where a place stands: indices of section, row and column, or null when it is filtered out. @param {Model} board @param {View} view @param {Pivot} pivot @param {Place} place */
  function find(board, view, pivot, place) {
    const fits = (/** @type {Line} */ line, /** @type {string[]} */ ids) =>
      line.levels.every((level, n) => board.level(place, ids[n]) === level);
    for (let s = 0; s < pivot.sections.length; s++) {
      const section = pivot.sections[s];
      if (view.layout === "wall") {
        for (let r = 0; r < section.rows.length; r++)
          for (let c = 0; c < pivot.cols.length; c++)
            if (pivot.places(section, section.rows[r], pivot.cols[c])[0] === place) return { s, r, c };
        continue;
      }
      if (!fits(section, view.by)) continue;
      const r = section.rows.findIndex((row) => fits(row, view.rows));
      const c = pivot.cols.findIndex((col) => fits(col, view.cols));
      if (r >= 0 && c >= 0 && pivot.places(section, section.rows[r], pivot.cols[c]).includes(place)) return { s, r, c };
    }
    return null;
  }

  /**
   * The next cell with something in it from a cell, or null at the edge; up and down go on into the next section.
   * @param {Pivot} pivot @param {{s: number, r: number, c: number}} from @param {number} dr @param {number} dc
   */
  function step(pivot, from, dr, dc) {
    let { s, r, c } = from;
    if (isLoose(pivot)) {
      const abreast = pivot.sections.filter((section) => section.top === pivot.sections[0].top).length;
      s += dr * abreast + dc;
      return pivot.sections[s] ? { s, r: 0, c: 0 } : null;
    }
    for (;;) {
      r += dr;
      c += dc;
      if (c < 0 || c >= pivot.cols.length) return null;
      if (r < 0) {
        s -= 1;
        if (s < 0) return null;
        r = pivot.sections[s].rows.length - 1;
      } else if (r >= pivot.sections[s].rows.length) {
        s += 1;
        if (s >= pivot.sections.length) return null;
        r = 0;
      }
      if (pivot.places(pivot.sections[s], pivot.sections[s].rows[r], pivot.cols[c]).length) return { s, r, c };
    }
  }

  return { of, filter, isLoose, find, step };
})();
