/** The page to vote on: two pictures, four answers, and nothing that tells which is which. Starts itself. */
const Booth = (() => {
  const STACKED = matchMedia("(max-aspect-ratio: 1/1)");
  /** @type {Record<string, Chosen>} */
  const KEYS = { ArrowLeft: "left", ArrowRight: "right", ArrowDown: "tie", ArrowUp: "both bad" };

  /** Pictures that were loaded ahead, by their pair. @type {Map<string, Promise<{left: string, right: string}>>} */
  const loaded = new Map();

  /** Both pictures of a pair, decoded, so that they appear in one frame. @param {Ballot} ballot @param {Asked} pair */
  function load(ballot, pair) {
    const before = loaded.get(pair.id);
    if (before) return before;
    const both = Promise.all([pair.left, pair.right].map(async (name) => {
      const image = new Image();
      image.src = await ballot.picture(name);
      await image.decode();
      return image;
    })).then(([left, right]) => ({ left: left.src, right: right.src, kept: [left, right] }));
    loaded.set(pair.id, both);
    both.catch(() => loaded.delete(pair.id));
    return both;
  }

  /** Let go of the pictures of pairs that are over. @param {Polled} polled */
  function forget(polled) {
    const open = new Set(polled.pairs.map((pair) => pair.id));
    for (const [id, both] of loaded) {
      if (open.has(id)) continue;
      loaded.delete(id);
      both.then(({ left, right }) => setTimeout(() => [left, right].forEach((url) => URL.revokeObjectURL(url)), 2000), () => {});
    }
  }

  /** @param {{ballot: Ballot}} props */
  function Page({ ballot }) {
    const [polled, setPolled] = useState(/** @type {Polled | null} */ (null));
    const [seen, setSeen] = useState(/** @type {{id: string, left: string, right: string} | null} */ (null));
    const [trouble, setTrouble] = useState("");
    const [ended, setEnded] = useState("");
    const [said, setSaid] = useState("");
    const [pan, setPan] = useState(Zoom.FIT);
    const [stacked, setStacked] = useState(STACKED.matches);
    const [named, setNamed] = useState(!ballot.name || Boolean(ballot.rater));
    const [hearing, setHearing] = useState(false);
    const busy = useRef(false);
    const since = useRef(0);
    const pair = polled?.pairs[0];
    const ready = pair && seen?.id === pair.id;

    /** @param {Polled} next */
    function take(next) {
      setPolled(next);
      setPan(Zoom.FIT);
      forget(next);
    }

    useEffect(() => {
      ballot.onTrouble = setTrouble;
      ballot.polled().then(take, (error) => setEnded(error.message));
      const turned = () => setStacked(STACKED.matches);
      STACKED.addEventListener("change", turned);
      return () => STACKED.removeEventListener("change", turned);
    }, []);

    useEffect(() => {
      let current = true;
      for (const each of polled?.pairs ?? []) {
        load(ballot, each).then((both) => { if (current && each === pair) setSeen({ id: each.id, ...both }); },
          () => { if (current && each === pair) setTimeout(() => ballot.polled().then(take, (error) => setEnded(error.message)), 700); });
      }
      return () => { current = false; };
    }, [polled]);

    useLayoutEffect(() => {
      if (ready) requestAnimationFrame(() => { since.current = performance.now(); });
    }, [seen?.id, ready]);

    /** @param {() => Promise<Polled>} change @param {string} words */
    async function change(change, words) {
      if (busy.current) return;
      busy.current = true;
      try {
        take(await change());
        setSaid(words);
      } catch (error) {
        setEnded(/** @type {Error} */ (error).message);
      } finally {
        busy.current = false;
      }
    }

    /** @param {Chosen} choice */
    function vote(choice) {
      if (!ready || !pair || !named) return;
      change(() => ballot.answer(pair.id, choice, Math.round(performance.now() - since.current)), words(choice, stacked) + ".");
    }

    function undo() {
      const last = polled?.undo;
      if (last) change(() => ballot.undo(last), "Taken back.");
    }

    useEffect(() => {
      /** @param {KeyboardEvent} event */
      function onKey(event) {
        if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || document.activeElement?.matches("input")) return;
        const frame = document.querySelector(".frame");
        const next = pair && frame && Zoom.onKey(event.key, pan, pair.size, frame.getBoundingClientRect());
        if (KEYS[event.key]) vote(KEYS[event.key]);
        else if (event.key === "Backspace") undo();
        else if (next) setPan(next);
        else return;
        event.preventDefault();
      }
      addEventListener("keydown", onKey);
      return () => removeEventListener("keydown", onKey);
    });

    if (ended) return html`<${Note} title="That is all for now">${ended}</${Note}>`;
    if (!polled) return html`<p class="loading">The pictures come …</p>`;
    if (!named) return html`<${Name} ballot=${ballot} onNamed=${() => setNamed(true)} />`;
    if (hearing) return html`<${Note} title="What the votes say by now"><${Said} ballot=${ballot} />
      <p class="row"><button type="button" class="answer primary" onClick=${() => setHearing(false)}>Go on voting</button><a class="button" href="./">Back to the study</a></p></${Note}>`;
    if (!pair) return html`<${Done} ballot=${ballot} polled=${polled} onUndo=${undo} />`;
    const share = { pan, onPan: setPan, size: pair.size, onSwipe: (/** @type {number} */ dr, /** @type {number} */ dc) => vote(swiped(dr, dc, stacked)) };
    return html`<div class=${"booth" + (stacked ? " stacked" : "")}>
      <${Progress} polled=${polled} />
      <header class="ask"><h1>${polled.question}</h1><p class="prompt" title=${pair.text}>${pair.text}</p></header>
      <main class="pair" data-pair=${pair.id} data-ready=${ready ? pair.id : ""}>
        ${["left", "right"].map((side) => html`<figure key=${side}><${Zoom.Frame} ...${share} label=${place(side, stacked)}>
          ${ready && html`<img src=${/** @type {any} */ (seen)[side]} alt=${place(side, stacked)} draggable=${false} data-side=${side} />`}</${Zoom.Frame}></figure>`)}
      </main>
      <footer class="answers">
        <${Answer} choice="left" icon=${stacked ? "up" : "left"} keys="←" ...${{ vote, stacked }} />
        <div class="even"><${Answer} choice="tie" keys="↓" ...${{ vote, stacked }} /><${Answer} choice="both bad" keys="↑" ...${{ vote, stacked }} /></div>
        <${Answer} choice="right" icon=${stacked ? "lower" : "right"} keys="→" ...${{ vote, stacked }} />
      </footer>
      <div class="foot">
        <p class="count">${counted(polled)}</p>
        <p class="hidden" role="status">${said} ${counted(polled)}</p>
        ${trouble && html`<p class="trouble" role="alert">${trouble}</p>`}
        <span class="grow"></span>
        <span class="hint">${pan.scale ? html`${Math.round(pan.scale * 100)} % · <button type="button" class="link" onClick=${() => setPan(Zoom.FIT)}>whole picture</button>` : stacked ? "Swipe towards the better one; double tap to zoom" : "Scroll or double click to zoom both"}</span>
        ${ballot.download && polled.votes > 0 && html`<button type="button" class="link" onClick=${ballot.download}>Download votes</button>`}
        ${polled.owner && polled.votes > 0 && polled.needed === 0 && html`<button type="button" class="link" onClick=${() => setHearing(true)}>What the votes say</button>`}
        ${polled.owner && html`<a class="link" href="./">Back to the study</a>`}
        <button type="button" class="button" disabled=${!polled.undo} onClick=${undo} onTouchEnd=${tapped(undo)} title="Take the last answer back">${Icon("back")}<span>Undo</span> <kbd>⌫</kbd></button>
      </div></div>`;
  }

  /** @param {{choice: Chosen, icon?: string, keys: string, vote: (choice: Chosen) => void, stacked: boolean}} props */
  function Answer({ choice, icon, keys, vote, stacked }) {
    const strong = choice === "left" || choice === "right";
    return html`<button type="button" class=${"answer " + (strong ? "strong " + choice : "")} data-choice=${choice} onClick=${() => vote(choice)} onTouchEnd=${tapped(() => vote(choice))}>
      ${icon && Icon(/** @type {any} */ (icon))}<span>${words(choice, stacked)}</span><kbd>${keys}</kbd></button>`;
  }

  /**
   * A tap counts when the finger leaves the button. Chromium makes no click of a tap that follows a swipe too soon, so
   * that every second vote of a quick thumb would be lost.
   * @param {() => void} act
   */
  const tapped = (act) => (/** @type {TouchEvent} */ event) => {
    const button = /** @type {HTMLButtonElement} */ (event.currentTarget);
    const [finger] = event.changedTouches, box = button.getBoundingClientRect();
    if (!event.cancelable || event.touches.length > 0 || button.disabled) return;
    event.preventDefault(); // the click, which would be a second answer
    if (finger.clientX >= box.left && finger.clientX <= box.right && finger.clientY >= box.top && finger.clientY <= box.bottom) act();
  };

  /** @param {{polled: Polled}} props */
  function Progress({ polled }) {
    const all = polled.votes + polled.needed;
    return html`<div class="track" role="progressbar" aria-label="Votes" aria-valuemin="0" aria-valuemax=${all} aria-valuenow=${polled.votes}><span style=${{ width: (100 * polled.votes) / Math.max(1, all) + "%" }}></span></div>`;
  }

  /** @param {{ballot: Ballot, polled: Polled, onUndo: () => void}} props */
  function Done({ ballot, polled, onUndo }) {
    return html`<${Note} title=${polled.votes ? "Thank you" : "Nothing to compare yet"}>
      <p>${polled.votes ? `You have seen every pair there is: ${polled.votes} ${polled.votes === 1 ? "vote" : "votes"}.` : "There are no two pictures of one prompt and one seed. Come back when more were made."}</p>
      ${polled.owner && polled.votes > 0 && html`<${Said} ballot=${ballot} />`}
      <p class="row">${ballot.download && polled.votes > 0 && html`<button type="button" class="answer primary" onClick=${ballot.download}>Download votes</button>`}
        ${polled.undo && html`<button type="button" class="button" onClick=${onUndo}>Undo the last one</button>`}
        ${polled.owner && html`<a class="button" href="./">Back to the study</a>`}</p>
      ${ballot.download && polled.votes > 0 && html`<p class="soft">Send the file to the person who asked you. It holds your answers and the name that you chose.</p>`}</${Note}>`;
  }

  /** What the votes say beside what the metrics say, for the owner. @param {{ballot: Ballot}} props */
  function Said({ ballot }) {
    const [heard, setHeard] = useState(/** @type {Heard | null} */ (null));
    useEffect(() => { ballot.said?.().then(setHeard, (error) => setHeard({ votes: ["What the votes say", error.message], metrics: [] })); }, []);
    if (!heard) return html`<p class="soft">Reckoning what the votes say …</p>`;
    const column = (/** @type {string} */ title, /** @type {string[]} */ lines) => lines.length > 0 && html`<section><h2>${title}</h2>${lines.map((line) => html`<p key=${line}>${line}</p>`)}</section>`;
    return html`<div class="said">${column((heard.votes[0] ?? "").replace(/:$/, ""), heard.votes.slice(1))}${column("The metrics say", heard.metrics)}</div>`;
  }

  /** @param {{ballot: Ballot, onNamed: () => void}} props */
  function Name({ ballot, onNamed }) {
    const [name, setName] = useState("");
    /** @param {Event} event */
    function begin(event) {
      event.preventDefault();
      if (!name.trim()) return;
      ballot.name?.(name.trim());
      onNamed();
    }
    return html`<${Note} title="Two pictures at a time">
      <p>Say which of two pictures is better. Nothing tells how they were made. Your answers stay in this browser until you download them.</p>
      <div class="row"><label>Your name, or any word <input maxlength="60" value=${name} autofocus
        onInput=${(/** @type {any} */ event) => setName(event.target.value)} onKeyDown=${(/** @type {KeyboardEvent} */ event) => { if (event.key === "Enter") begin(event); }} /></label>
        <button type="button" class="answer primary" onClick=${begin} disabled=${!name.trim()}>Begin</button></div></${Note}>`;
  }

  /** @param {{title: string, children?: unknown}} props */
  const Note = ({ title, children }) => html`<main class="note"><h1>${title}</h1>${children}</main>`;

  /** @param {Polled} polled */
  const counted = (polled) => `${polled.votes} ${polled.votes === 1 ? "vote" : "votes"}` + (polled.needed ? ` · ${polled.needed} still needed` : polled.votes ? " · enough" : "");

  /** What an answer is called. @param {Chosen} choice @param {boolean} stacked */
  const words = (choice, stacked) => ({ left: stacked ? "Upper" : "Left", right: stacked ? "Lower" : "Right", tie: "Tie", "both bad": "Both bad" })[choice];

  /** @param {string} side @param {boolean} stacked */
  const place = (side, stacked) => (stacked ? (side === "left" ? "Upper picture" : "Lower picture") : side === "left" ? "Left picture" : "Right picture");

  /** A swipe goes towards the better picture; across it says tie. A neighbour would come from the other side. @param {number} dr @param {number} dc @param {boolean} stacked @returns {Chosen} */
  function swiped(dr, dc, stacked) {
    if (stacked) return dc ? "tie" : dr > 0 ? "left" : "right";
    return dc ? (dc > 0 ? "left" : "right") : dr > 0 ? "both bad" : "tie";
  }

  function start() {
    Theme.start();
    const root = /** @type {HTMLElement} */ (document.getElementById("app"));
    const printed = /** @type {any} */ (globalThis).teststripBallot;
    document.title = "Which is better?";
    root.textContent = "";
    render(html`<${Page} ballot=${printed ? Ballot.printed(printed) : Ballot.live()} />`, root);
  }
  return { start, swiped };
})();
Booth.start();
