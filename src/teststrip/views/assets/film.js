/**
 * The flip-book as a file: the view once for each level of an axis, an animated WebP that loops.
 *
 * The browser encodes the frames; what is written here is only the container around them (RIFF, as in Google's "WebP
 * Container Specification"). So it works without a server, on a page from disk as on a page in one file.
 */
const Film = (() => {
  const BEAT = 700; // milliseconds a level stays

  /** The view with an axis on a slider; the prompts of a book stand side by side. @param {Model} board @param {View} view @param {string} id @returns {View} */
  function staged(board, view, id) {
    const moved = { ...View.move(view, id, "flip"), layout: "grid" };
    return moved.rows.length + moved.cols.length ? moved : { ...moved, cols: moved.by, by: [] };
  }

  /**
   * The film of a view.
   * @param {Model} board @param {View} view @param {Sizes} sizes @param {string} id the axis that is played @param {(share: number) => void} tell
   * @returns {Promise<Blob>}
   */
  async function make(board, view, sizes, id, tell) {
    const stage = staged(board, view, id);
    const levels = Flip.levelsOf(board, stage, id);
    /** @type {Frame[]} */
    const frames = [];
    for (const [n, level] of levels.entries()) {
      const seen = { ...stage, at: { ...stage.at, [id]: level } };
      const pivot = Pivot.of(board, seen);
      if (pivot.shown === 0) continue; // all of this level is filtered out
      const [canvas, more] = await Sheet.draw(board, seen, pivot, sizes, (share) => tell((n + share) / levels.length));
      if (more) throw new Error("This view is larger than one sheet. Filter it first.");
      const blob = await Sheet.encoded(canvas, "image/webp", 0.92);
      if (blob.type !== "image/webp") throw new Error("This browser writes no WebP. Chrome, Edge and Firefox do.");
      frames.push({ width: canvas.width, height: canvas.height, still: new Uint8Array(await blob.arrayBuffer()) });
    }
    if (frames.length === 0) throw new Error("No picture passes the filters.");
    return new Blob([/** @type {BlobPart} */ (joined(frames, BEAT))], { type: "image/webp" });
  }

  /** @typedef {{width: number, height: number, still: Uint8Array}} Frame a WebP of one picture, and its size in pixels */

  /** An animated WebP of stills. @param {Frame[]} frames @param {number} milliseconds each of them stays @returns {Uint8Array} */
  function joined(frames, milliseconds) {
    const [width, height] = [Math.max(...frames.map((frame) => frame.width)), Math.max(...frames.map((frame) => frame.height))];
    const ANIMATED = 2;
    const ALONE = 3; // the frame replaces what was there, and is cleared after it
    return chunk("RIFF", [...letters("WEBP")], [
      chunk("VP8X", [ANIMATED, 0, 0, 0, ...little(width - 1, 3), ...little(height - 1, 3)]),
      chunk("ANIM", [255, 255, 255, 255, 0, 0]), // white ground; 0: for ever
      ...frames.map((frame) => chunk("ANMF", [...little(0, 6), ...little(frame.width - 1, 3), ...little(frame.height - 1, 3), ...little(milliseconds, 3), ALONE], pictures(frame.still))),
    ]);
  }

  /** The chunks of a still that hold its picture. @param {Uint8Array} still */
  function pictures(still) {
    const view = new DataView(still.buffer, still.byteOffset, still.byteLength);
    const found = [];
    for (let at = 12; at + 8 <= still.length; ) {
      const size = 8 + view.getUint32(at + 4, true);
      if (["ALPH", "VP8 ", "VP8L"].includes(String.fromCharCode(...still.subarray(at, at + 4)))) found.push(padded(still.subarray(at, at + size)));
      at += size + (size % 2);
    }
    return found;
  }

  /** @param {string} name @param {number[]} head @param {Uint8Array[]} parts */
  function chunk(name, head, parts = []) {
    const size = head.length + parts.reduce((sum, part) => sum + part.length, 0);
    const whole = new Uint8Array(8 + size);
    whole.set([...letters(name), ...little(size, 4), ...head]);
    let at = 8 + head.length;
    for (const part of parts) {
      whole.set(part, at);
      at += part.length;
    }
    return padded(whole);
  }

  /** Chunks have an even length. @param {Uint8Array} data */
  function padded(data) {
    if (data.length % 2 === 0) return data;
    const even = new Uint8Array(data.length + 1);
    even.set(data);
    return even;
  }

  /** @param {string} text */
  const letters = (text) => [...text].map((letter) => letter.charCodeAt(0));

  /** A number, lowest byte first. @param {number} value @param {number} bytes */
  const little = (value, bytes) => Array.from({ length: bytes }, (_, n) => Math.floor(value / 256 ** n) % 256);

  /** @param {{board: Model, view: View, sizes: Sizes, say: (text: string) => void}} props */
  function Film({ board, view, sizes, say }) {
    const dims = board.dims.filter((dim) => Flip.levelsOf(board, view, dim.id).length > 1 && View.zoneOf(view, dim.id) !== "pile");
    const [chosen, setChosen] = useState("");
    const first = dims.find((dim) => view.flip.includes(dim.id)) ?? dims.find((dim) => view.cols.includes(dim.id)) ?? dims[0];
    const id = dims.some((dim) => dim.id === chosen) ? chosen : first?.id;
    if (!id) return null;
    const save = async () => {
      try {
        say("Drawing …");
        Sheet.save(await make(board, view, sizes, id, (share) => say(`Drawing … ${Math.round(100 * share)} %`)), Sheet.named(board) + "-" + board.dim(id).title.replace(/[^\w.-]+/g, "-") + ".webp");
        say("Saved");
      } catch (error) {
        say(String(error instanceof Error ? error.message : error));
      }
    };
    return html`<fieldset><legend>Flip-book over</legend><div class="stack">
      <select value=${id} aria-label="Flip-book over" onChange=${(/** @type {Event} */ event) => setChosen(/** @type {HTMLSelectElement} */ (event.target).value)}>${dims.map((dim) => html`<option value=${dim.id}>${dim.title}</option>`)}</select>
      <button type="button" class="button" onClick=${save}>Flip-book, animated WebP</button></div></fieldset>`;
  }

  /** How the whole study is taken elsewhere: by the command line, which has the pictures at hand. @param {{board: Model, say: (text: string) => void}} props */
  function Whole({ board, say }) {
    const copy = (/** @type {string} */ to) => async () =>
      say((await TakeAway.copy(`teststrip export ${TakeAway.shell("runs/" + board.study.name)} --to ${to}`)) ? "Command copied" : "The browser refused the clipboard");
    return html`<fieldset><legend>The whole study, by the command line</legend><div class="stack">
      <button type="button" class="button" onClick=${copy("html")}>${Icon("copy")}One HTML page, pictures inside</button>
      <button type="button" class="button" onClick=${copy("csv")}>${Icon("copy")}Table of all pictures, CSV</button></div></fieldset>`;
  }

  return Object.assign(Film, { joined, make, Whole });
})();
