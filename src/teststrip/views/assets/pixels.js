/**
 * The pixels of a picture, for differences and exports.
 *
 * A page from disk may show a file but not read it, so the static page has every picture a second time as a script
 * (`pixels/`, at most 256 pixels wide), which is loaded when it is needed.
 */
const Pixels = (() => {
  /** @type {Map<string, string>} */
  const texts = new Map();
  /** @type {Map<string, (text: string) => void>} */
  const waiting = new Map();

  /** Called by the scripts in `pixels/`. @param {string} digest @param {string} text a data: address */
  function arrived(digest, text) {
    waiting.get(digest)?.(text);
    waiting.delete(digest);
  }

  /** An image that a canvas may read. @param {Model} board @param {Place} place @returns {Promise<HTMLImageElement>} */
  async function image(board, place) {
    const address = location.protocol === "file:" && !place.file?.startsWith("data:") ? await fromScript(String(place.digest)) : Board.full(board, place);
    const element = new Image();
    element.src = address;
    await element.decode();
    return element;
  }

  /** @param {string} digest @returns {Promise<string>} */
  function fromScript(digest) {
    const known = texts.get(digest);
    if (known) return Promise.resolve(known);
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      waiting.set(digest, (text) => {
        if (texts.size > 64) texts.clear(); // the browser keeps the files; this only spares loading one twice in a row
        texts.set(digest, text);
        script.remove();
        resolve(text);
      });
      script.onerror = () => {
        script.remove();
        reject(new Error("The pixels of this picture are not beside the page. Write the page again: teststrip run"));
      };
      script.src = `pixels/${digest.slice(0, 2)}/${digest}.js`;
      document.head.append(script);
    });
  }

  /** RGBA of a picture at a size. @param {Model} board @param {Place} place @param {[number, number]} [size] default its own */
  async function read(board, place, size) {
    const picture = await image(board, place);
    const [width, height] = size ?? [picture.naturalWidth, picture.naturalHeight];
    const canvas = document.createElement("canvas");
    canvas.width = width;
    canvas.height = height;
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
    context.drawImage(picture, 0, 0, width, height);
    return context.getImageData(0, 0, width, height);
  }

  /**
   * How far two pictures are apart.
   * @param {ArrayLike<number>} a RGBA @param {ArrayLike<number>} b RGBA, as long
   * @returns {{map: Float32Array, mean: number, largest: number, changed: number, psnr: number}} `map`: mean absolute
   *   difference of a pixel's three channels, levels 0..255; `mean` and `largest` of it; `changed`: share of pixels
   *   that differ at all; `psnr` in decibels, Infinity for equal pictures
   */
  function difference(a, b) {
    const map = new Float32Array(a.length / 4);
    let [sum, largest, changed, squares] = [0, 0, 0, 0];
    for (let n = 0; n < map.length; n++) {
      let total = 0;
      for (let k = 4 * n; k < 4 * n + 3; k++) {
        const apart = Math.abs(a[k] - b[k]);
        total += apart;
        squares += apart * apart;
      }
      map[n] = total / 3;
      sum += map[n];
      largest = Math.max(largest, map[n]);
      if (total > 0) changed += 1;
    }
    const mse = squares / (3 * map.length);
    return { map, mean: sum / map.length, largest, changed: changed / map.length, psnr: 10 * Math.log10(255 ** 2 / mse) };
  }

  return { arrived, image, read, difference };
})();
