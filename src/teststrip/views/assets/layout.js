/**
 * The layout: which places stand in which cell of which section, and where on the canvas that is. Pure functions of
 * board and view; the grid draws what is visible of it.
 *
 * @typedef {{key: number, levels: number[], labels: string[]}} Line a row, a column or a section: its levels, outer first
 * @typedef {Line & {rows: Line[], top: number, left: number, width: number, height: number, headTop: number}} Section
 * @typedef {{sections: Section[], cols: Line[], places: (section: Line, row: Line, col: Line) => Place[], shown: number,
 *   rowDims: Dim[], colDims: Dim[], byDims: Dim[]}} Pivot
 * @typedef {{cell: number, cellHeight: number, pitchX: number, pitchY: number, gap: number, label: number,
 *   labelParts: number[], head: number, headParts: number[], upright: boolean[], title: number, width: number, height: number}} Sizes
 */
const Layout = (() => {
  const BETWEEN = 36; // pixels between sections that stand side by side
  const LINES = 3; // of a row's label; the whole text is shown on hover and focus
  const PICTURES = 290; // in the grid; lightbox and tray have the rest of the 300
  const FITTED = 800; // in the grid when a person asks to see all columns: small ones
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
  function pivot(board, view) {
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

  /** All pictures one after the other, sorted; rows of as many as fit are cut by `measure`. @param {Model} board @param {View} view @param {Place[]} places @returns {Pivot} */
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

  /**
   * Sizes of everything, and the sections' places on the canvas (written into the pivot).
   * @param {Pivot} pivot @param {View} view
   * @param {{width: number, height: number, aspect: number, measure: (text: string) => number, crop: [number, number] | null, most: number,
   *   short?: (text: string) => string}} screen
   *   `width`, `height`: of the window in pixels; `aspect`: height over width of a picture; `measure`: width of a
   *   label; `crop`: the region on the screen, in pixels, when one is shown; `most`: how large a cell gets by itself;
   *   `short`: what stands for a label.
   * @returns {Sizes}
   */
  function measure(pivot, view, screen) {
    const phone = screen.width < 640;
    const gap = phone || (view.fit && pivot.cols.length > 16) ? 4 : 8;
    const short = screen.short ?? ((text) => text);
    const most = phone ? 84 : Math.max(120, Math.min(280, screen.width * 0.24));
    const labelParts = pivot.rowDims.map((dim, n) => {
      const texts = new Set(pivot.sections.flatMap((section) => section.rows.map((row) => short(row.labels[n]))));
      const widest = Math.max(screen.measure(dim.title + "  ↓") * 0.82, ...[...texts].map(screen.measure));
      return Math.ceil(Math.min(most, widest + 2));
    });
    const label = labelParts.length ? labelParts.reduce((sum, part) => sum + part + 14, 10) : 0;
    const free = screen.width - label - (phone ? 24 : 64);
    // At most about 240 cells fit a screen, so that the page never holds more than 300 pictures.
    const least = Math.ceil(Math.sqrt((screen.width * screen.height) / (240 * screen.aspect))) - gap / 2;
    const across = view.layout === "wall" ? 0 : pivot.cols.length;
    const alone = across ? Numbers.clamp(Math.floor(free / across) - gap, phone ? 76 : 104, screen.most) : 144;
    const auto = isLoose(pivot) ? spread(pivot.sections.length, { width: free, height: 0.75 * screen.height, aspect: screen.aspect, gap, most: screen.most })
      : pivot.byDims.length && pivot.sections.length > 1 ? shared(alone, { room: free + label, label, across, gap, sections: pivot.sections.length }) : alone;
    let cell = view.fit && across ? fitting(pivot, { across, free, gap, least, screen }) : Math.max(least, view.size || auto);
    let cellHeight = Math.round(cell * screen.aspect);
    if (screen.crop) {
      cell = Math.max(least, Math.ceil(screen.crop[0]));
      cellHeight = Math.max(32, Math.ceil(screen.crop[1]));
    }
    if (view.layout === "wall") chop(pivot, Math.max(1, Math.floor((screen.width - (phone ? 16 : 56)) / (cell + gap))));
    const lines = (/** @type {string} */ text, /** @type {number} */ width) =>
      Math.max(1, Math.ceil((screen.measure(text) * 1.12) / Math.max(24, width)));
    const upright = pivot.colDims.map((_, n) => view.fit && n === pivot.colDims.length - 1 && pivot.cols.some((col) => screen.measure(col.labels[n]) > cell));
    const headParts = pivot.colDims.map((dim, n) => {
      const inner = pivot.colDims.slice(n + 1).reduce((product, each) => product * each.size, 1);
      const width = Math.min(inner, pivot.cols.length) * (cell + gap) - gap;
      if (upright[n]) return Math.ceil(Math.min(160, Math.max(...pivot.cols.map((col) => screen.measure(col.labels[n]))))) + 10;
      return 20 * Math.max(...pivot.cols.map((col) => lines(col.labels[n], width))) + 6;
    });
    const labelLines = Math.max(1, ...pivot.sections.flatMap((section) =>
      section.rows.map((row) => Math.max(1, ...row.labels.map((text, n) => lines(short(text), labelParts[n]))))));
    const pitchY = Math.max(cellHeight + gap, Math.min(LINES, labelLines) * 20 + 8);
    const head = headParts.length ? headParts.reduce((sum, part) => sum + part, 0) + (pivot.rowDims.length || phone ? 22 : 22) : 0;
    const titled = pivot.byDims.length > 0;
    const title = titled ? 44 : 12;
    const foot = titled ? 28 : 12;
    const width = label + pivot.cols.length * (cell + gap);
    const between = isLoose(pivot) ? 2 * gap : BETWEEN;
    const abreast = titled ? Numbers.clamp(Math.floor((free + label + between) / (width + between)), 1, pivot.sections.length) : 1;
    let top = 0;
    for (let s = 0; s < pivot.sections.length; s += abreast) {
      const band = pivot.sections.slice(s, s + abreast);
      const rows = Math.max(1, ...band.map((section) => section.rows.length));
      const height = title + head + rows * pitchY + foot;
      band.forEach((section, n) => {
        const own = { top, height, headTop: title, left: n * (width + between), width: abreast > 1 ? width : Math.max(width, free + label) };
        Object.assign(section, own);
      });
      top += height;
    }
    return {
      cell, cellHeight, gap, pitchX: cell + gap, pitchY, label, labelParts, head, headParts, upright, title,
      width: abreast * (width + between) - between, height: top,
    };
  }

  /**
   * The size of a cell when several sections stand side by side: as many as leave six tenths of its size.
   * @param {number} alone the size with one section a line @param {{room: number, label: number, across: number, gap: number, sections: number}} line
   */
  function shared(alone, { room, label, across, gap, sections }) {
    let size = alone;
    for (let n = 2; n <= Math.min(4, sections); n++) {
      const each = Math.floor(((room - (n - 1) * BETWEEN) / n - label) / across) - gap;
      if (each >= 0.6 * alone) size = Math.min(alone, each);
    }
    return size;
  }

  /** The most pictures that the grid has in the document. @param {View} view */
  const most = (view) => (view.fit ? FITTED : PICTURES);

  /** Sections of one picture each, as the flip-book has them: they are laid like words on a line. @param {Pivot} pivot */
  const isLoose = (pivot) => pivot.byDims.length > 0 && pivot.rowDims.length + pivot.colDims.length === 0;

  /**
   * The size of a cell when sections of one picture share a screen: the largest at which all are seen at once.
   * @param {number} count @param {{width: number, height: number, aspect: number, gap: number, most: number}} room
   */
  function spread(count, { width, height, aspect, gap, most }) {
    const titled = 72; // pixels above and below a picture
    for (let size = most; size > 112; size -= 8) {
      const across = Math.floor((width + 2 * gap) / (size + 3 * gap));
      const down = Math.max(1, Math.floor(height / (size * aspect + gap + titled)));
      if (across * down >= count) return size;
    }
    return 112;
  }

  /**
   * The size of a cell at which all columns stand in the window, as far as a screen then holds no more than FITTED pictures.
   * @param {Pivot} pivot
   * @param {{across: number, free: number, gap: number, least: number, screen: {height: number, aspect: number, most: number}}} room
   */
  function fitting(pivot, { across, free, gap, least, screen }) {
    const cell = Numbers.clamp(Math.floor(free / across) - gap, 16, screen.most);
    const pitch = cell * screen.aspect + gap;
    const rows = Math.max(1, ...pivot.sections.map((section) => section.rows.length));
    const seen = screen.height + 2 * pitch;
    const between = 94; // pixels: title, one line of column labels and foot, the least that parts two sections
    const sections = pivot.byDims.length ? Math.min(pivot.sections.length, Math.ceil(seen / (rows * pitch + between)) + 1) : 1;
    return across * Math.min(rows * sections, Math.ceil(seen / pitch) + 1) <= FITTED ? cell : Math.max(least, cell);
  }

  /** Cut the wall into rows of `across` pictures. @param {Pivot} pivot @param {number} across */
  function chop(pivot, across) {
    const line = (/** @type {number} */ key) => ({ key, levels: [], labels: [] });
    pivot.cols = Array.from({ length: Math.min(across, pivot.shown) }, (_, n) => line(n));
    for (const section of pivot.sections)
      section.rows = Array.from({ length: Math.ceil(pivot.shown / across) }, (_, n) => line(n * across));
  }

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

  return { filter, pivot, measure, most, find, step };
})();
