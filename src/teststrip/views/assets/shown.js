/**
 * What the pictures below are shown for: the sentence of the finding that was clicked, and the way back.
 *
 * The address names the finding, so that a link and the browser's Back reproduce the sentence with its view.
 */
const Shown = (() => {
  let before = ""; // the address of the view that the first finding was opened from
  let clicked = false; // a click brings the pictures into sight, a link leaves the page where it is

  /** @param {Finding} finding */
  const key = (finding) => [finding.kind ?? "", finding.metric, finding.axis, finding.scope].join("~");

  /** Show the view that a finding rests on. @param {Finding} finding @param {Partial<View>} evidence */
  function open(finding, evidence) {
    if (!Store.view.found) before = View.format(Store.view, Store.board);
    clicked = true;
    Store.set({ ...evidence, found: key(finding) });
  }

  /** @param {{board: Model, view: View}} props */
  function Shown({ board, view }) {
    const back = useRef(/** @type {HTMLElement | null} */ (null));
    useLayoutEffect(() => {
      if (!clicked) return;
      clicked = false;
      back.current?.focus({ preventScroll: true }); // the list that held the focus is folded
      const frame = requestAnimationFrame(() => scrollTo({ top: top() }));
      return () => cancelAnimationFrame(frame);
    }, [view.found]);
    const finding = view.found && board.findings.find((each) => key(each) === view.found);
    if (!finding) return null;
    return html`<section class=${"shown finding " + finding.verdict.replaceAll(" ", "-")} aria-label="What these pictures show">
      <p><span class="verdict">${finding.answer}</span> ${finding.sentence}</p>
      <button type="button" class="button small" ref=${back} onClick=${() => Store.go(before)}>${Icon("close")}Back</button></section>`;
  }

  /** Where the bar stands on the page while it does not stick: below all that stands above it. */
  function top() {
    const bar = /** @type {HTMLElement} */ (document.querySelector(".bar-sticky"));
    const above = /** @type {Element} */ (bar.previousElementSibling).getBoundingClientRect();
    return scrollY + above.bottom;
  }

  return Object.assign(Shown, { open });
})();
