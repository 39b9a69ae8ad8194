/** What is known of a picture: in short in a corner while the pointer or the focus is on its cell, in full beside it at full size. */
const Card = (() => {
  const DELAY = 90; // milliseconds the pointer rests before a card appears; shorter flickers when crossing the grid
  const APART = 12; // pixels from the window's edges

  /** @param {{board: Model, view: View, hover: {place: Place, places: Place[], box: DOMRect} | null}} props */
  function Card({ board, view, hover }) {
    const [shown, setShown] = useState(/** @type {typeof hover} */ (null));
    const card = useRef(null);
    useEffect(() => {
      if (!hover) return setShown(null);
      const timer = setTimeout(() => setShown(hover), shown ? 30 : DELAY);
      return () => clearTimeout(timer);
    }, [hover]);
    useLayoutEffect(() => {
      if (shown && card.current) position(card.current, shown.box);
    });
    if (!shown) return null;
    const { place, places } = shown;
    return html`<div class="card" role="tooltip" id="card" ref=${card}>${Brief({ board, view, place, places })}</div>`;
  }

  /**
   * In the lower corner that is further from the cell: the neighbours are what one wants to compare it with.
   * @param {HTMLElement} card @param {DOMRect} box
   */
  function position(card, box) {
    const left = box.left + box.width / 2 > innerWidth / 2;
    card.style.left = (left ? APART : innerWidth - card.offsetWidth - APART) + "px";
    card.style.top = innerHeight - card.offsetHeight - APART + "px";
  }

  /** Levels, seed, what was measured, and the cell's mean where more than one picture makes it. @param {{board: Model, view: View, place: Place, places: Place[]}} props */
  function Brief({ board, view, place, places }) {
    const values = Numbers.scores(board, places, view.metric);
    return html`
      <dl class="facts brief">${Say.levels(board, place).map(pair)}${pair(["seed", String(place.seed)])}${Say.measured(board, place).map(pair)}</dl>
      ${place.failure && html`<p class="facts-failure">${Icon("alert")}<span><b>${place.failure.reason}</b> ${place.failure.text}</span></p>`}
      ${!place.file && !place.failure && html`<p class="facts-note">Not made yet.</p>`}
      ${values.length > 1 && html`<p class="facts-note">${Board.title(board, view.metric)} of the ${values.length} pictures here: ${Phrases.estimate(Numbers.estimate(values))}</p>`}`;
  }

  /** The facts of a place; the lightbox shows the same. @param {{board: Model, view: View, place: Place, places: Place[]}} props */
  function Facts({ board, view, place, places }) {
    const made = places.filter((each) => each.file);
    const values = Numbers.scores(board, places, view.metric);
    const cell = values.length > 1 ? Numbers.estimate(values) : null;
    return html`
      <dl class="facts levels">${Say.levels(board, place).map(pair)}</dl>
      <p class="facts-prompt">${Board.promptOf(board, place)}</p>
      ${place.failure && html`<p class="facts-failure">${Icon("alert")}<span><b>${place.failure.reason}</b> ${place.failure.text}</span></p>`}
      ${!place.file && !place.failure && html`<p class="facts-note">Not made yet.</p>`}
      <dl class="facts">
        ${pair(["seed", String(place.seed)])}
        ${Say.measured(board, place).map(pair)}
      </dl>
      ${cell && html`<p class="facts-note">${Board.title(board, view.metric)} of the ${made.length} pictures here: ${Phrases.estimate(cell)}</p>`}
      <dl class="facts quiet">${Say.settings(board, place).map(pair)}</dl>`;
  }

  /** @param {[string, string]} pair */
  const pair = ([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`;

  return { Card, Facts };
})();
