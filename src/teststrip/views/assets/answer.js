/**
 * The answer card, one card a score, and all findings folded below. Lays out what `views/head.py` and the analysis say;
 * words nothing but its buttons.
 */
const Answer = (() => {
  /** @param {{board: Model, view: View}} props */
  function Answer({ board, view }) {
    const { answer, cards = [], costs = [] } = board.head;
    const [all, setAll] = useState(false);
    const [told, setTold] = useState(false);
    /** @param {Finding} finding */
    const show = (finding) => {
      setAll(false);
      Shown.open(finding, Top.evidence(board, view, finding));
    };
    const [votes = "", ...heard] = board.votes || [];
    const own = cards.filter((card) => board.findings[card.finding]);
    if (!answer && board.findings.length === 0) return null;
    return html`<section class="findings" aria-label="Findings">
      <div class=${"first" + (own.length && answer ? "" : " alone")}>
        ${answer && html`<${Choice} board=${board} answer=${answer} />`}
        ${own.length > 0 && html`<ul class="cards">${own.map((card) => html`<li key=${card.finding}><${Short} board=${board} finding=${board.findings[card.finding]} also=${card.also} show=${show} /></li>`)}</ul>`}
      </div>
      <p class="fold">${board.findings.length > 0 && html`<button type="button" class="link" aria-expanded=${all} onClick=${() => setAll(!all)}>${all ? "Fewer" : `All ${Phrases.count(board.findings.length, "finding")}`}</button>`}
        ${votes && html`<button type="button" class="link" aria-expanded=${told} onClick=${() => setTold(!told)}>${votes.replace(/:$/, "")}</button>`}
        ${costs.map((line) => html`<span class="costs" key=${line}>${line}</span>`)}</p>
      ${all && html`<ul class="every">${board.findings.map((finding) => html`<li><${Whole} finding=${finding} show=${show} /></li>`)}</ul>
        ${board.across && html`<p class="across">${board.across}</p>`}`}
      ${(all || told) && heard.map((line) => html`<p class="across" key=${line}>${line}</p>`)}
    </section>`;
  }

  /** The recommendation, or what can be said instead. @param {{board: Model, answer: Said}} props */
  function Choice({ board, answer }) {
    const [said, setSaid] = useState("");
    const [first, ...more] = [...answer.caveats, ...(answer.beside ? [answer.beside] : [])];
    const at = answer.at;
    const place = at && board.places.find((each) => each.file && board.cells[each.cell].at.join() === at.join());
    /** @param {string} name @param {(place: Place) => string} text */
    const copier = (name, text) => async () => {
      setSaid((await TakeAway.copy(text(/** @type {Place} */ (place)))) ? name + " copied" : "The browser refused the clipboard");
      setTimeout(() => setSaid(""), 2500);
    };
    return html`<article class=${"answer" + (answer.settled ? " settled" : "")} aria-label="Answer">
      <p class="answer-about">${answer.about}</p>
      <h2>${answer.headline}</h2>
      ${answer.facts.length > 0 && html`<ul class="answer-facts">${answer.facts.map((fact) => html`<li key=${fact}>${fact}</li>`)}</ul>`}
      ${answer.why && html`<p class="answer-step">${answer.why}</p>`}
      ${answer.step && html`<p class="answer-step"><b>Next:</b> ${answer.step}</p>`}
      ${first && html`<div class="caveats">${Icon("alert")}${more.length === 0 ? html`<p>${first}</p>` : html`<details><summary>${first} <span class="link">${more.length} more</span></summary>${more.map((caveat) => html`<p key=${caveat}>${caveat}</p>`)}</details>`}</div>`}
      ${place && at && html`<div class="answer-buttons">
        <button type="button" class="button small" onClick=${() => { Store.set(of(board, at)); toTheBar(); }}>${Icon("expand")}Its pictures</button>
        <button type="button" class="button small" onClick=${copier("Snippet", (one) => TakeAway.diffusers(board, one))}>${Icon("copy")}Diffusers</button>
        <button type="button" class="button small" onClick=${copier("TOML", () => toml(board, at))}>${Icon("copy")}TOML</button>
        <button type="button" class="button small" onClick=${copier("Command", (one) => TakeAway.command(board, one))}>${Icon("copy")}Command</button>
        <span class="said" role="status">${said}</span></div>`}
    </article>`;
  }

  /** A finding in one line and what the line rests on. @param {{board: Model, finding: Finding, also: string[], show: (finding: Finding) => void}} props */
  const Short = ({ board, finding, also, show }) => html`<button type="button" class=${kind(finding)} onClick=${() => show(finding)} title=${finding.sentence}>
    <span class="verdict">${Board.title(board, finding.metric)}<i>${finding.answer}</i></span>
    <span class="sentence">${finding.headline}</span><span class="detail">${finding.detail}</span>
    ${also.map((line) => html`<span class="also" key=${line}>${line}</span>`)}</button>`;

  /** A finding whole: nothing is cut, nothing is said twice. @param {{finding: Finding, show: (finding: Finding) => void}} props */
  function Whole({ finding, show }) {
    const [claim, ...more] = finding.lines;
    return html`<button type="button" class=${kind(finding)} onClick=${() => show(finding)} title="Show the pictures behind this">
      <span class="verdict">${finding.answer}</span><span class="sentence">${claim || finding.sentence}</span>
      ${more.map((line) => html`<span class="more">${line}</span>`)}</button>`;
  }

  /** @param {Finding} finding */
  const kind = (finding) => "finding " + finding.verdict.replaceAll(" ", "-");

  /** The view that shows one setting alone. @param {Model} board @param {number[]} at @returns {Partial<View>} */
  const of = (board, at) => ({
    keep: Object.fromEntries(at.map((level, n) => /** @type {[string, number[]]} */ ([board.dims[n].id, [level]])).filter((_, n) => board.axes[n].labels.length > 1)),
    only: "", tag: "", low: null, high: null, layout: "grid",
  });

  /** The setting as a study file has it. @param {Model} board @param {number[]} at */
  function toml(board, at) {
    const settings = Object.assign({}, ...at.map((level, n) => board.axes[n].settings[level]));
    return ["[settings]", ...Object.entries(settings).map(([name, value]) => `${/^[\w-]+$/.test(name) ? name : TakeAway.toml(name)} = ${TakeAway.toml(value)}`)].join("\n") + "\n";
  }

  /** Bring the bar to the top of the window, so that the pictures are seen. */
  const toTheBar = () => requestAnimationFrame(() => {
    const bar = document.querySelector("main");
    if (bar && bar.getBoundingClientRect().top > innerHeight * 0.7) bar.scrollIntoView({ block: "center" });
  });

  return Object.assign(Answer, { of, toml });
})();
