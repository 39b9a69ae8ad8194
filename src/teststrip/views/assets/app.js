/** The page: top, bar, grid, and what opens above them. Starts itself. */
const App = (() => {
  function App() {
    const { board, view } = Store.use();
    const [hover, setHover] = useState(/** @type {any} */ (null));
    const bar = useRef(/** @type {HTMLElement | null} */ (null));
    const [barHeight, setBarHeight] = useState(56);
    const shape = JSON.stringify([view.rows, view.cols, view.by, view.flip, view.pile, view.at, view.keep, view.order, view.metric,
      view.low, view.high, view.only, view.tag, view.layout, view.sort, view.only === "starred" || view.sort === "starred" ? view.star : 0]);
    const pivot = useMemo(() => Pivot.of(board, view), [board, shape]);
    const sizes = Measures.useSizes(board, view, pivot);
    useLayoutEffect(() => {
      const observer = new ResizeObserver(() => {
        const height = bar.current?.offsetHeight ?? 56;
        document.documentElement.style.setProperty("--bar-height", height + "px");
        setBarHeight(height);
      });
      observer.observe(/** @type {HTMLElement} */ (bar.current));
      return () => observer.disconnect();
    }, []);
    // Each thing that comes and goes has a parent of its own: a dialog that the library moves would lose the focus.
    const open = view.open !== null && !view.mode && board.places[view.open];
    return html`
      <nav aria-label="Short cut"><a class="skip" href="#" onClick=${skip}>To the pictures</a></nav>
      <${Top} board=${board} view=${view} pivot=${pivot} sizes=${sizes} />
      ${view.table && html`<${Settings} board=${board} />`}
      ${view.charts && html`<${Charts} board=${board} view=${view} />`}
      <section class="bar-sticky" aria-label="View" ref=${bar}><${Bar} board=${board} view=${view} pivot=${pivot} sizes=${sizes} /><${Flip} board=${board} view=${view} /></section>
      <main><${Shown} board=${board} view=${view} /><${Grid} board=${board} view=${view} pivot=${pivot} sizes=${sizes} onHover=${setHover} barHeight=${barHeight} />
        <div class="above"><${Card.Card} board=${board} view=${view} hover=${open || view.mode ? null : hover} /></div></main>
      <div class="above">${open && html`<${Lightbox} board=${board} view=${view} pivot=${pivot} />`}</div>
      <div class="above">${view.mode ? html`<${Compare} board=${board} view=${view} />` : html`<${Compare.Tray} board=${board} view=${view} />`}</div>`;
  }

  /** @param {Event} event */
  function skip(event) {
    event.preventDefault();
    /** @type {HTMLElement | null} */ (document.querySelector('[role=gridcell][tabindex="0"]'))?.focus();
  }

  function start() {
    Theme.start();
    const root = /** @type {HTMLElement} */ (document.getElementById("app"));
    Store.start(/** @type {RawBoard} */ (/** @type {any} */ (globalThis).teststripBoard));
    document.title = Store.board.study.name + " · Teststrip";
    root.textContent = "";
    render(html`<${App} />`, root);
    Live.start();
  }
  return { start };
})();
App.start();
