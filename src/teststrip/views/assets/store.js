/**
 * The one place that changes: the board, the view, what the pointer is over. Views subscribe; the address follows.
 *
 * `Store.set` takes a part of the view. A step that a person may want to take back (STEPS, opening, closing) adds an
 * entry to the browser's history; all else (sizes, sliders, stars) replaces the current one.
 */
const Store = (() => {
  /** What Back takes back. @type {(keyof View)[]} */
  const STEPS = ["rows", "cols", "by", "flip", "pile", "keep", "only", "tag", "layout", "found"];
  const OURS = Object.freeze({ teststrip: true }); // the state of our entries; an address that was typed has none

  /** @type {Model} */
  let board;
  /** @type {View} */
  let view;
  let version = 0;
  let written = "";
  /** @type {Set<() => void>} */
  const listeners = new Set();

  /** Begin with a board and the view of the address. @param {RawBoard} raw */
  function start(raw) {
    board = Board.model(raw);
    view = View.parse(location.hash, board);
    if (view.star.length === 0) view.star = remembered();
    written = location.hash.replace(/^#/, "");
    enter(false, location.href);
    addEventListener("hashchange", follow);
    addEventListener("popstate", follow);
  }

  function follow() {
    const hash = location.hash.replace(/^#/, "");
    if (hash === written) return;
    // Back takes back what was shown, never what a person has collected since.
    const collected = history.state?.teststrip ? { star: view.star, cmp: view.cmp } : {};
    view = { ...View.parse(hash, board), ...collected };
    if (view.cmp.length < 2) view.mode = "";
    write(false);
    tell();
  }

  /** The view of an address as a step of its own; stars and comparison stay. @param {string} hash */
  const go = (hash) => set({ ...View.parse(hash, board), star: view.star, cmp: view.cmp });

  /** Whether a person has changed more of the view than what they collected. */
  const moved = () => View.format({ ...view, star: [], cmp: [], open: null, mode: "" }, board) !== "";

  /** Change a part of the view. @param {Partial<View>} part */
  function set(part) {
    const before = view;
    view = { ...view, ...part };
    if (view.cmp.length < 2) view.mode = "";
    if (part.star) remember(part.star);
    const stepped = STEPS.some((key) => JSON.stringify(before[key]) !== JSON.stringify(view[key]));
    write(stepped || before.open === null !== (view.open === null) || !before.mode !== !view.mode);
    tell();
  }

  /** Put the view into the address. @param {boolean} entry a new entry of the history */
  function write(entry) {
    written = View.format(view, board);
    enter(entry, "#" + written);
  }

  /** @param {boolean} entry @param {string} address */
  function enter(entry, address) {
    try {
      if (entry) history.pushState(OURS, "", address);
      else history.replaceState(OURS, "", address);
    } catch {
      // A browser that forbids this for files, or too many changes a second: the plain way works everywhere.
      location.hash = address;
    }
  }

  /** New data: places by index, and what stands beside them. @param {Partial<RawBoard>} news */
  function update(news) {
    for (const place of news.places ?? []) {
      Board.locate(board, place);
      board.places[place.i] = place;
    }
    if (news.findings) board.findings = news.findings;
    if (news.warnings) board.warnings = news.warnings;
    if (news.across != null) board.across = news.across;
    if (news.head) board.head = news.head;
    if (news.progress) board.progress = news.progress;
    board.pictured = board.places.reduce((n, place) => n + (place.file ? 1 : 0), 0);
    board = { ...board };
    tell();
  }

  /** Stars outlive the tab where the browser allows it; the address has them too. @param {number[]} stars */
  function remember(stars) {
    try {
      localStorage.setItem("teststrip.stars." + board.study.name, stars.map((i) => board.places[i].shot).join());
    } catch {
      // Private windows and some files have no storage.
    }
  }

  function remembered() {
    try {
      const shots = new Set((localStorage.getItem("teststrip.stars." + board.study.name) ?? "").split(",").filter(Boolean));
      return shots.size ? board.places.filter((place) => shots.has(place.shot)).map((place) => place.i) : [];
    } catch {
      return [];
    }
  }

  function tell() {
    version += 1;
    for (const listener of listeners) listener();
  }

  /** A hook: the current board and view; the component draws again when they change. @returns {{board: Model, view: View}} */
  function use() {
    const [, setVersion] = useState(version);
    useEffect(() => {
      const listener = () => setVersion(version);
      listeners.add(listener);
      listener();
      return () => listeners.delete(listener);
    }, []);
    return { board, view };
  }

  /** Star or unstar a place. @param {number} i */
  const star = (i) => set({ star: view.star.includes(i) ? view.star.filter((n) => n !== i) : [...view.star, i] });

  /** Add a place to the comparison or take it out; the fifth pushes the first one out. @param {number} i */
  const compare = (i) => set({ cmp: view.cmp.includes(i) ? view.cmp.filter((n) => n !== i) : [...view.cmp, i].slice(-4) });

  return { start, set, go, moved, update, use, star, compare, get board() { return board; }, get view() { return view; } };
})();
