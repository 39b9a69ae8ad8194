/**
 * The layout: how large everything in the grid is, and where on the canvas the sections of a pivot stand. Pure functions;
 * the grid draws what is visible of it.
 *
 * @typedef {{cell: number, cellHeight: number, pitchX: number, pitchY: number, gap: number, label: number,
 *   labelParts: number[], head: number, headParts: number[], upright: boolean[], title: number, width: number, height: number}} Sizes
 */
const Layout = (() => {
  const BETWEEN = 36; // pixels between sections that stand side by side
  const LINES = 3; // of a row's label; the whole text is shown on hover and focus
  const PICTURES = 290; // in the grid; lightbox and tray have the rest of the 300
  const FITTED = 800; // in the grid when a person asks to see all columns: small ones

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
    const auto = () => automatic(pivot, { free, label, across, gap, least: phone ? 76 : 104, screen });
    let cell = view.fit && across ? fitting(pivot, { across, free, gap, least, screen }) : Math.max(least, view.size || auto());
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
    const head = headParts.length ? headParts.reduce((sum, part) => sum + part, 0) + 22 : 0;
    const titled = pivot.byDims.length > 0;
    const title = titled ? 44 : 12;
    const width = label + pivot.cols.length * (cell + gap);
    const between = Pivot.isLoose(pivot) ? 2 * gap : BETWEEN;
    const abreast = titled ? Numbers.clamp(Math.floor((free + label + between) / (width + between)), 1, pivot.sections.length) : 1;
    const height = arrange(pivot, { abreast, width, between, title, least: free + label, bands: head + title + (titled ? 28 : 12), pitchY });
    return {
      cell, cellHeight, gap, pitchX: cell + gap, pitchY, label, labelParts, head, headParts, upright, title,
      width: abreast * (width + between) - between, height,
    };
  }

  /**
   * Put the sections on the canvas, so many abreast.
   * @param {Pivot} pivot
   * @param {{abreast: number, width: number, between: number, title: number, least: number, bands: number, pitchY: number}} room
   *   `bands`: what a section has above and below its rows; `least`: the width of a section that stands alone.
   * @returns {number} the height of all
   */
  function arrange(pivot, { abreast, width, between, title, least, bands, pitchY }) {
    let top = 0;
    for (let s = 0; s < pivot.sections.length; s += abreast) {
      const band = pivot.sections.slice(s, s + abreast);
      const height = bands + Math.max(1, ...band.map((section) => section.rows.length)) * pitchY;
      band.forEach((section, n) => Object.assign(section, {
        top, height, headTop: title, left: n * (width + between), width: abreast > 1 ? width : Math.max(width, least),
      }));
      top += height;
    }
    return top;
  }

  /**
   * The size of a cell that nobody chose: as large as the window allows.
   * @param {Pivot} pivot
   * @param {{free: number, label: number, across: number, gap: number, least: number, screen: {height: number, aspect: number, most: number}}} room
   */
  function automatic(pivot, { free, label, across, gap, least, screen }) {
    const sections = pivot.sections.length;
    if (Pivot.isLoose(pivot)) return spread(sections, { width: free, height: 0.75 * screen.height, aspect: screen.aspect, gap, most: screen.most });
    const alone = across ? Numbers.clamp(Math.floor(free / across) - gap, least, screen.most) : 144;
    return pivot.byDims.length && sections > 1 ? shared(alone, { room: free + label, label, across, gap, sections }) : alone;
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

  return { measure, most };
})();
