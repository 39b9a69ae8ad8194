/** One cell of the grid: a picture with its marks, a failure with its reason, or a place still empty. */
const Tile = (() => {
  /**
   * @param {{board: Model, view: View, place: Place | undefined, places: Place[], sizes: Sizes, at: string, c: number, stop: boolean,
   *   picture: boolean, range: [number, number] | null, crop: [number, number] | null}} props
   */
  return function Tile({ board, view, place, places, sizes, at, c, stop, picture, range, crop }) {
    const box = { left: sizes.label + c * sizes.pitchX + "px", width: sizes.cell + "px", height: sizes.cellHeight + "px" };
    if (!place) return html`<div class="cell none" role="gridcell" aria-colindex=${c + 2} aria-label="not part of the design" tabindex=${stop ? 0 : -1} data-at=${at} style=${box}></div>`;
    const values = view.tint ? Numbers.scores(board, places, view.metric) : [];
    const mean = values.length ? Numbers.mean(values) : null;
    const heat = mean === null || !range ? null : range[0] === range[1] ? 0.5 : (mean - range[0]) / (range[1] - range[0]);
    if (heat !== null) Object.assign(box, { "--heat": Tint.colour(heat) });
    const starred = view.star.includes(place.i);
    const compared = view.cmp.includes(place.i);
    const failed = places.filter((each) => each.failure).length;
    const kind = place.file ? "made" : place.failure ? "failed" : "waiting";
    return html`<div class=${`cell ${kind}` + (heat !== null ? " heat" : "") + (compared ? " compared" : "")} role="gridcell" aria-colindex=${c + 2}
        tabindex=${stop ? 0 : -1} data-at=${at} data-place=${place.i} aria-label=${Say.label(board, view, place)} style=${box}>
      ${picture && (crop && view.roi ? cropped(board, view.roi, place, crop, sizes) : html`<img src=${Board.thumb(board, place)} alt="" draggable=${false} decoding="async" />`)}
      ${place.failure && !place.file && html`<span class="why">${Icon("alert")}<b>${place.failure.reason}</b><span>${place.failure.text}</span></span>`}
      ${kind === "waiting" && html`<span class="why soon">${board.progress.running ? "soon" : "not made"}</span>`}
      ${mean !== null && html`<span class="badge">${Numbers.say(mean)}</span>`}
      ${place.file && failed > 0 && html`<span class="badge lost" title=${Say.count(failed, "failure") + " in this cell"}>${Icon("alert")}${failed}</span>`}
      ${starred && html`<span class="mark">${Icon("star", true)}</span>`}
      ${compared && html`<span class="number">${view.cmp.indexOf(place.i) + 1}</span>`}
      <span class="focus-icon">${Icon("expand")}</span>
    </div>`;
  };

  /** The region of a picture, and nothing else, pixel by pixel times the zoom. @param {Model} board @param {number[]} roi @param {Place} place @param {[number, number]} crop @param {Sizes} sizes */
  function cropped(board, [x, y, width, height], place, crop, sizes) {
    return html`<span class="crop" style=${{
      width: crop[0] + "px", height: crop[1] + "px",
      left: Math.round((sizes.cell - crop[0]) / 2) + "px", top: Math.round((sizes.cellHeight - crop[1]) / 2) + "px",
    }}><img src=${Board.full(board, place)} alt="" draggable=${false} decoding="async" style=${{
      width: crop[0] / width + "px", height: crop[1] / height + "px", left: (-x * crop[0]) / width + "px", top: (-y * crop[1]) / height + "px",
    }} /></span>`;
  }
})();

/** The colours of the heat map: one ramp, dark to light, readable for colour-blind people and in print. */
const Tint = (() => {
  // Viridis (van der Walt and Smith 2015) at nine points.
  const STOPS = [[68, 1, 84], [72, 40, 120], [62, 74, 137], [49, 104, 142], [38, 130, 142], [31, 158, 137], [53, 183, 121], [144, 215, 67], [253, 231, 37]];

  /** @param {number} share 0..1 @returns {number[]} red, green, blue, 0..255 */
  function rgb(share) {
    const at = Numbers.clamp(share, 0, 1) * (STOPS.length - 1);
    const n = Math.min(STOPS.length - 2, Math.floor(at));
    return STOPS[n].map((low, k) => Math.round(low + (STOPS[n + 1][k] - low) * (at - n)));
  }

  /** @param {number} share 0..1 */
  const colour = (share) => `rgb(${rgb(share).join(" ")})`;
  return { colour, rgb };
})();
