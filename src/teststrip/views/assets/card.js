/** The card beside the cell under the pointer or the focus: settings, seed, seconds, scores, the interval of the cell. */
const Card = (() => {
  const DELAY = 90; // milliseconds the pointer rests before a card appears; shorter flickers when crossing the grid
  const WIDTH = 304;

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
    return html`<div class="card" role="tooltip" id="card" ref=${card}>${Facts({ board, view, place, places })}</div>`;
  }

  /** Beside the cell where there is room, never over it if that can be. @param {HTMLElement} card @param {DOMRect} box */
  function position(card, box) {
    const height = card.offsetHeight;
    const right = box.right + 12 + WIDTH < innerWidth;
    const left = right ? box.right + 12 : box.left - WIDTH - 12;
    card.style.left = Numbers.clamp(left, 8, Math.max(8, innerWidth - WIDTH - 8)) + "px";
    card.style.top = Numbers.clamp(box.top - 4, 8, Math.max(8, innerHeight - height - 8)) + "px";
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
      ${cell && html`<p class="facts-note">${Board.title(board, view.metric)} of the ${made.length} pictures here: ${Numbers.estimated(cell)}</p>`}
      <dl class="facts quiet">${Say.settings(board, place).map(pair)}</dl>`;
  }

  /** @param {[string, string]} pair */
  const pair = ([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`;

  return { Card, Facts };
})();
