/** Labels that are too long for where they stand: what all of them share is shortened, the whole text stays at hand. */
const Labels = (() => {
  const LONG = 40; // characters; shorter labels are shown as they are
  const NEAR = 1; // shared words that are kept beside what differs, so that "… a wizard …" reads as a phrase

  /**
   * Labels without the words that all of them begin and end with.
   * @param {string[]} texts
   * @returns {string[]} as long, in the same order; the texts themselves where nothing would be won
   */
  function shortened(texts) {
    const distinct = [...new Set(texts)];
    if (distinct.length < 2 || Math.max(...distinct.map((text) => text.length)) <= LONG) return texts;
    const words = distinct.map((text) => text.split(/\s+/));
    const first = shared(words);
    const last = shared(words.map((each) => each.slice(first).reverse()));
    const [from, until] = [Math.max(0, first - NEAR), Math.max(0, last - NEAR)];
    if (from < 2 && until < 2) return texts;
    return texts.map((text) => {
      const all = text.split(/\s+/);
      const kept = all.slice(from < 2 ? 0 : from, all.length - (until < 2 ? 0 : until));
      return (from < 2 ? "" : "… ") + kept.join(" ") + (until < 2 ? "" : " …");
    });
  }

  /** How many words all lists begin with. @param {string[][]} lists */
  function shared(lists) {
    let n = 0;
    while (lists.every((words) => words.length > n + 1 && words[n] === lists[0][n])) n += 1;
    return n;
  }

  /** @type {WeakMap<object, Map<string, string>>} */
  const known = new WeakMap();

  /** What stands for a label in the grid: prompts are shortened, all else is as it is. @param {Model} board @param {string} text */
  function short(board, text) {
    let map = known.get(board.prompts);
    if (!map) {
      const texts = board.prompts.map((prompt) => prompt.label ?? prompt.text);
      const shorts = shortened(texts);
      map = new Map(texts.map((each, n) => [each, shorts[n]]));
      known.set(board.prompts, map);
    }
    return map.get(text) ?? text;
  }

  return { LONG, shortened, short };
})();
