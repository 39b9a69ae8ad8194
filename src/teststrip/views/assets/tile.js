/** One cell of the grid: a picture with its marks, a failure with its reason, or a place still empty. */
const Tile = (() => {
  /**
   * @param {{board: Model, view: View, place: Place | undefined, places: Place[], sizes: Sizes, at: string, c: number, stop: boolean,
   *   picture: boolean, seed: number | null, crop: [number, number] | null}} props
   */
  function Tile({ board, view, place, places, sizes, at, c, stop, picture, seed, crop }) {
    const box = { left: sizes.label + c * sizes.pitchX + "px", width: sizes.cell + "px", height: sizes.cellHeight + "px" };
    if (!place) return html`<div class="cell none" role="gridcell" aria-colindex=${c + 2} aria-label="not part of the design" tabindex=${stop ? 0 : -1} data-at=${at} style=${box}></div>`;
    const heat = view.tint ? Tint.of(board, view, places) : null;
    if (heat) Object.assign(box, { "--heat": Tint.colour(view, heat.share) });
    const starred = view.star.includes(place.i);
    const compared = view.cmp.includes(place.i);
    const failed = places.filter((each) => each.failure).length;
    const kind = place.file ? "made" : place.failure ? "failed" : "waiting";
    return html`<div class=${`cell ${kind}` + (heat ? " heat" : "") + (compared ? " compared" : "")} role="gridcell" aria-colindex=${c + 2}
        tabindex=${stop ? 0 : -1} data-at=${at} data-place=${place.i} aria-label=${Say.label(board, view, place)} style=${box}>
      ${picture && (crop && view.roi ? cropped(board, view.roi, place, crop, sizes) : html`<img src=${Board.thumb(board, place)} alt="" draggable=${false} decoding="async" />`)}
      ${place.failure && !place.file && html`<span class="why">${Icon("alert")}<b>${place.failure.reason}</b><span>${place.failure.text}</span></span>`}
      ${kind === "waiting" && html`<span class="why soon">${board.progress.running ? "soon" : "not made"}</span>`}
      ${heat && html`<span class="badge">${Tint.badge(heat.mean, Numbers.scores(board, places, view.metric).length)}</span>`}
      ${place.file && Seeds.strays(board, view, place, seed) && html`<span class="badge stray" title="Another seed than the row's">seed ${place.replicate + 1}</span>`}
      ${place.file && failed > 0 && html`<span class="badge lost" title=${Phrases.count(failed, "failure") + " in this cell"}>${Icon("alert")}${failed}</span>`}
      ${starred && html`<span class="mark">${Icon("star", true)}</span>`}
      ${compared && html`<span class="number">${view.cmp.indexOf(place.i) + 1}</span>`}
      <span class="focus-icon">${Icon("expand")}</span>
    </div>`;
  }

  /** The region of a picture, and nothing else, pixel by pixel times the zoom. @param {Model} board @param {number[]} roi @param {Place} place @param {[number, number]} crop @param {Sizes} sizes */
  function cropped(board, [x, y, width, height], place, crop, sizes) {
    return html`<span class="crop" style=${{
      width: crop[0] + "px", height: crop[1] + "px",
      left: Math.round((sizes.cell - crop[0]) / 2) + "px", top: Math.round((sizes.cellHeight - crop[1]) / 2) + "px",
    }}><img src=${Board.full(board, place)} alt="" draggable=${false} decoding="async" style=${{
      width: crop[0] / width + "px", height: crop[1] / height + "px", left: (-x * crop[0]) / width + "px", top: (-y * crop[1]) / height + "px",
    }} /></span>`;
  }

  /** What the colours say: both ends of the scale, and what they are measured against. @param {{board: Model, view: View}} props */
  function Legend({ board, view }) {
    const ends = view.tint && Tint.ends(board, view);
    if (!ends) return null;
    return html`<span class="legend" role="group" aria-label=${`Tint from ${ends[0]} to ${ends[1]}, ${Tint.said(board, view)}`}><span>${ends[0]}</span><i class="ramp" aria-hidden="true" style=${{ background: Tint.gradient(view) }}></i><span>${ends[1]}</span>
      <select value=${view.against} aria-label="What the tint is measured against" onChange=${(/** @type {Event} */ event) => Store.set({ against: /** @type {HTMLSelectElement} */ (event.target).value })}>
        <option value="prompt">against this prompt's mean</option><option value="nothing">absolute</option></select></span>`;
  }

  return Object.assign(Tile, { Legend });
})();
