/**
 * The current view as a contact sheet, drawn here: PNG, or PDF with the sheets as its pages.
 *
 * Labels, title and what was chosen are stamped on it. A view too large for one canvas becomes several sheets.
 */
const Sheet = (() => {
  const MOST = 8000; // pixels of an edge: below what Chromium, Firefox and Safari can draw
  const [INK, SOFT, PAPER, LOST] = ["#1d1c1a", "#66625c", "#faf9f7", "#a3262a"];

  /** @param {Pivot} pivot @param {View} view @param {Sizes} sizes @param {number} cell */
  function plan(pivot, view, sizes, cell) {
    const gap = Math.round(cell * 0.05);
    const ratio = sizes.cellHeight / sizes.cell;
    const height = Math.round(cell * ratio);
    const label = pivot.rowDims.length ? Math.min(320, Math.max(90, sizes.label)) : 0;
    const head = pivot.colDims.length ? 34 + 22 * pivot.colDims.length + (longest(pivot, cell) - 1) * 18 : 8;
    const perSheet = Math.max(1, Math.floor((MOST - label - 48) / (cell + gap)));
    return { gap, height, label, head, cell, columns: Math.min(perSheet, pivot.cols.length) };
  }

  /** Lines that the longest column label needs. @param {Pivot} pivot @param {number} cell */
  const longest = (pivot, cell) => Math.min(4, Math.max(1, ...pivot.cols.map((col) => Math.ceil((Math.max(0, ...col.labels.map((text) => text.length)) * 8) / cell))));

  /**
   * The sheets of a view as canvases.
   * @param {Model} board @param {View} view @param {Pivot} pivot @param {Sizes} sizes @param {(share: number) => void} tell
   */
  async function draw(board, view, pivot, sizes, tell) {
    const own = board.places.find((place) => place.size)?.size ?? [64, 64];
    const cell = Numbers.clamp(own[0], 96, 192);
    const shape = plan(pivot, view, sizes, cell);
    const pitch = shape.height + shape.gap;
    /** @type {{section: Section, rows: Line[]}[][]} */
    const sheets = [[]];
    let used = 0;
    for (const section of pivot.sections) {
      const most = Math.max(1, Math.floor((MOST - 200 - shape.head) / pitch));
      for (let r = 0; r < section.rows.length; r += most) {
        const rows = section.rows.slice(r, r + most);
        const height = shape.head + 44 + rows.length * pitch;
        if (used + height > MOST - 160 && used > 0) {
          sheets.push([]);
          used = 0;
        }
        sheets[sheets.length - 1].push({ section, rows });
        used += height;
      }
    }
    const total = sheets.flat().reduce((sum, part) => sum + part.rows.length, 0) * pivot.cols.length;
    let done = 0;
    const canvases = [];
    for (const [n, parts] of sheets.entries())
      for (let c = 0; c < pivot.cols.length; c += shape.columns) {
        const number = sheets.length > 1 ? `sheet ${n + 1} of ${sheets.length}` : "";
        canvases.push(await one(board, view, pivot, parts, pivot.cols.slice(c, c + shape.columns), shape, number, () => tell(++done / total)));
      }
    return canvases;
  }

  /** @param {Model} board @param {View} view @param {Pivot} pivot @param {{section: Section, rows: Line[]}[]} parts @param {Line[]} cols @param {ReturnType<typeof plan>} shape @param {string} number @param {() => void} tell */
  async function one(board, view, pivot, parts, cols, shape, number, tell) {
    const pitch = { x: shape.cell + shape.gap, y: shape.height + shape.gap };
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(560, 48 + shape.label + cols.length * pitch.x);
    canvas.height = 110 + parts.reduce((sum, part) => sum + shape.head + (part.section.labels.length ? 44 : 12) + part.rows.length * pitch.y, 0) + 24;
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    const font = getComputedStyle(document.body).fontFamily;
    const write = (/** @type {string} */ text, /** @type {number} */ x, /** @type {number} */ y, /** @type {{size?: number, weight?: number, colour?: string, align?: CanvasTextAlign, width?: number, lines?: number}} */ style = {}) => {
      context.font = `${style.weight ?? 400} ${style.size ?? 14}px ${font}`;
      context.fillStyle = style.colour ?? INK;
      context.textAlign = style.align ?? "left";
      context.textBaseline = "alphabetic";
      wrap(context, text, style.width ?? canvas.width - 48, style.lines ?? 1).forEach((line, n) => context.fillText(line, x, y + n * ((style.size ?? 14) + 4)));
    };
    context.fillStyle = PAPER;
    context.fillRect(0, 0, canvas.width, canvas.height);
    write(board.study.name, 24, 44, { size: 24, weight: 650 });
    write([Say.study(board), chosen(board, view, pivot), number].filter(Boolean).join(" · "), 24, 70, { colour: SOFT, lines: 2 });
    let top = 100;
    for (const { section, rows } of parts) {
      if (section.labels.length) {
        write([...section.labels, Seeds.ofSection(board, view, section)].filter(Boolean).join(" · "), 24, top + 20, { size: 16, weight: 600 });
        top += 44;
      } else top += 12;
      const left = 24 + shape.label;
      write(pivot.colDims.map((dim) => dim.title).join(" / ") + (pivot.colDims.length ? " →" : ""), left, top + 4, { size: 12, colour: SOFT });
      if (pivot.rowDims.length) write(pivot.rowDims.map((dim) => dim.title).join(" / ") + " ↓", left - 12, top + shape.head - 10, { size: 12, colour: SOFT, align: "right", width: shape.label - 12 });
      cols.forEach((col, c) => col.labels.forEach((text, n) => {
        const inner = n === col.labels.length - 1;
        if (!inner && c > 0 && cols[c - 1].levels.slice(0, n + 1).every((level, m) => level === col.levels[m])) return;
        const lines = inner ? wrapCount(context, text, shape.cell, 4, `600 15px ${font}`) : 1;
        write(text, inner ? left + c * pitch.x + shape.cell / 2 : left + c * pitch.x, top + 26 + n * 22 + (inner ? Math.max(0, shape.head - 34 - 22 * col.labels.length + 14 - (lines - 1) * 18) : 0),
          { size: 15, weight: 600, align: inner ? "center" : "left", width: inner ? shape.cell : 4 * shape.cell, lines: 4 });
      }));
      top += shape.head;
      for (const row of rows) {
        if (row.labels.length) write(row.labels.join("  "), left - 12, top + Math.min(shape.height / 2 + 5, shape.height - 4), { size: 15, weight: 600, align: "right", width: shape.label - 12, lines: 4 });
        for (const [c, col] of cols.entries()) {
          const places = pivot.places(section, row, col);
          const place = Seeds.choose(board, view, places);
          if (place) await cellAt(board, view, context, place, places, { x: left + c * pitch.x, y: top, width: shape.cell, height: shape.height }, write);
          tell();
        }
        top += pitch.y;
      }
    }
    return canvas;
  }

  /** @param {Model} board @param {View} view @param {CanvasRenderingContext2D} context @param {Place} place @param {Place[]} places @param {{x: number, y: number, width: number, height: number}} box @param {Function} write */
  async function cellAt(board, view, context, place, places, box, write) {
    const heat = view.tint ? Tint.of(board, view, places) : null;
    const edge = heat ? Math.round(box.width * 0.035) : 0;
    if (heat) {
      context.fillStyle = Tint.colour(view, heat.share);
      context.fillRect(box.x, box.y, box.width, box.height);
    }
    if (place.file) {
      const picture = await Pixels.image(board, place);
      const crop = view.roi ?? [0, 0, 1, 1];
      const source = [crop[0] * picture.naturalWidth, crop[1] * picture.naturalHeight, crop[2] * picture.naturalWidth, crop[3] * picture.naturalHeight];
      const scale = Math.min((box.width - 2 * edge) / source[2], (box.height - 2 * edge) / source[3]);
      const [width, height] = [source[2] * scale, source[3] * scale];
      context.imageSmoothingQuality = "high";
      context.drawImage(picture, source[0], source[1], source[2], source[3], box.x + (box.width - width) / 2, box.y + (box.height - height) / 2, width, height);
    } else {
      context.fillStyle = place.failure ? "#fbeeed" : "#f1efeb";
      context.fillRect(box.x, box.y, box.width, box.height);
      write(place.failure ? place.failure.reason : "not made", box.x + box.width / 2, box.y + box.height / 2 - 4, { size: 13, weight: 650, colour: place.failure ? LOST : SOFT, align: "center", width: box.width - 8 });
      if (place.failure) write(place.failure.text, box.x + box.width / 2, box.y + box.height / 2 + 14, { size: 11, align: "center", width: box.width - 10, lines: 2 });
    }
    if (heat) {
      context.fillStyle = "rgb(20 18 16 / .76)";
      const text = Tint.badge(heat.mean, Numbers.scores(board, places, view.metric).length);
      context.fillRect(box.x + box.width - edge - 10 - text.length * 7, box.y + box.height - edge - 20, text.length * 7 + 8, 18);
      write(text, box.x + box.width - edge - 6, box.y + box.height - edge - 7, { size: 11, colour: "#fff", align: "right" });
    }
  }

  /** What of the view the picture itself does not say. @param {Model} board @param {View} view @param {Pivot} pivot */
  function chosen(board, view, pivot) {
    const parts = [];
    if (Seeds.said(board, view)) parts.push(Seeds.said(board, view));
    if (Seeds.differ(board, view, pivot)) parts.push("seeds differ between cells");
    const ends = view.tint && Tint.ends(board, view);
    if (ends) parts.push(`tint: ${Tint.said(board, view)}, ${ends[0]} to ${ends[1]}`);
    for (const id of view.flip) if (board.dim(id).size > 1) parts.push(`${board.dim(id).title} ${board.dim(id).labels[view.at[id] ?? 0]}`);
    for (const [id, levels] of Object.entries(view.keep)) parts.push(`only ${board.dim(id).title} ${levels.map((level) => board.dim(id).labels[level]).join(", ")}`);
    if (view.only) parts.push("only " + view.only);
    return parts.join(" · ");
  }

  /** @param {CanvasRenderingContext2D} context @param {string} text @param {number} width @param {number} lines @param {string} font */
  function wrapCount(context, text, width, lines, font) {
    context.font = font;
    return wrap(context, text, width, lines).length;
  }

  /** @param {CanvasRenderingContext2D} context @param {string} text @param {number} width @param {number} most */
  function wrap(context, text, width, most) {
    /** @type {string[]} */
    const lines = [];
    let line = "";
    for (const word of text.split(/\s+/))
      for (const [n, piece] of Say.pieces(word).entries()) {
        const longer = line + (line && n === 0 ? " " : "") + piece;
        if (line && context.measureText(longer).width > width) {
          lines.push(line);
          line = piece;
        } else line = longer;
      }
    lines.push(line);
    return lines.slice(0, most).map((each, n) => {
      if (n === most - 1 && lines.length > most) each += "…";
      while (each.length > 2 && context.measureText(each).width > width) each = each.slice(0, -2).trimEnd() + "…";
      return each;
    });
  }

  /** @param {HTMLCanvasElement} canvas @param {string} kind @param {number} [quality] @returns {Promise<Blob>} */
  const encoded = (canvas, kind, quality) => new Promise((resolve, reject) => canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("The browser could not encode the sheet"))), kind, quality));

  /** A PDF whose pages are JPEG pictures. @param {HTMLCanvasElement[]} canvases */
  async function pdf(canvases) {
    const encoder = new TextEncoder();
    /** @type {Uint8Array[]} */
    const chunks = [];
    /** @type {number[]} */
    const offsets = [];
    let length = 0;
    const put = (/** @type {Uint8Array | string} */ data) => {
      const bytes = typeof data === "string" ? encoder.encode(data) : data;
      chunks.push(bytes);
      length += bytes.length;
    };
    const object = (/** @type {number} */ n, /** @type {string} */ text, /** @type {Uint8Array} */ stream = new Uint8Array()) => {
      offsets[n] = length;
      put(`${n} 0 obj\n${text}\n`);
      if (stream.length) { put("stream\n"); put(stream); put("\nendstream\n"); }
      put("endobj\n");
    };
    put("%PDF-1.4\n%\u00e2\u00e3\n");
    object(1, "<< /Type /Catalog /Pages 2 0 R >>");
    object(2, `<< /Type /Pages /Count ${canvases.length} /Kids [${canvases.map((_, n) => `${3 + 3 * n} 0 R`).join(" ")}] >>`);
    for (const [n, canvas] of canvases.entries()) {
      const [page, content, picture] = [3 + 3 * n, 4 + 3 * n, 5 + 3 * n];
      const [width, height] = [canvas.width * 0.75, canvas.height * 0.75]; // 96 pixels an inch, 72 points an inch
      const jpeg = new Uint8Array(await (await encoded(canvas, "image/jpeg", 0.93)).arrayBuffer());
      const drawn = encoder.encode(`q ${width} 0 0 ${height} 0 0 cm /P Do Q`);
      object(page, `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 ${width} ${height}] /Contents ${content} 0 R /Resources << /XObject << /P ${picture} 0 R >> >> >>`);
      object(content, `<< /Length ${drawn.length} >>`, drawn);
      object(picture, `<< /Type /XObject /Subtype /Image /Width ${canvas.width} /Height ${canvas.height} /ColorSpace /DeviceRGB /BitsPerComponent 8 /Filter /DCTDecode /Length ${jpeg.length} >>`, jpeg);
    }
    const start = length;
    put(`xref\n0 ${offsets.length}\n0000000000 65535 f \n` + offsets.slice(1).map((at) => String(at).padStart(10, "0") + " 00000 n \n").join(""));
    put(`trailer\n<< /Size ${offsets.length} /Root 1 0 R >>\nstartxref\n${start}\n%%EOF\n`);
    return new Blob(/** @type {BlobPart[]} */ (chunks), { type: "application/pdf" });
  }

  /** The study's name as that of a file. @param {Model} board */
  const named = (board) => board.study.name.replace(/[^\w.-]+/g, "-") || "study";

  /** @param {Blob} blob @param {string} name */
  function save(blob, name) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  }

  /** @param {{board: Model, view: View, pivot: Pivot, sizes: Sizes}} props */
  function Export({ board, view, pivot, sizes }) {
    const [said, setSaid] = useState("");
    const make = (/** @type {"png" | "pdf"} */ kind) => async () => {
      try {
        setSaid("Drawing …");
        const canvases = await draw(board, view, pivot, sizes, (share) => setSaid(`Drawing … ${Math.round(100 * share)} %`));
        const name = named(board);
        if (kind === "pdf") save(await pdf(canvases), name + ".pdf");
        else for (const [n, canvas] of canvases.entries()) save(await encoded(canvas, "image/png"), name + (canvases.length > 1 ? "-" + (n + 1) : "") + ".png");
        setSaid("Saved");
      } catch (error) {
        setSaid(String(error instanceof Error ? error.message : error));
      }
    };
    const copyLink = async () => setSaid((await TakeAway.copy(location.href)) ? "Link copied" : "The browser refused the clipboard");
    return html`<${Pop} kind="button" wide=${true} title="Take this view away" label=${html`${Icon("share")}<span>Export</span>`} buttonProps=${{ "aria-label": "Export" }}>
      <h2 class="panel-title">Take this view away</h2>
      <div class="stack"><button type="button" class="button" onClick=${make("png")}>Contact sheet, PNG</button>
      <button type="button" class="button" onClick=${make("pdf")}>Contact sheet, PDF</button>
      <button type="button" class="button" onClick=${copyLink}>${Icon("link")}Copy the link of this view</button></div>
      <p class="panel-note">${Phrases.count(pivot.shown, "picture")} pass the filters; a cell shows one.</p>
      <${Film} board=${board} view=${view} sizes=${sizes} say=${setSaid} />
      <${Film.Whole} board=${board} say=${setSaid} />
      <p class="said" role="status">${said}</p></${Pop}>`;
  }

  return { draw, encoded, named, pdf, chosen, save, Export };
})();
