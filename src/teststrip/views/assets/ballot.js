/**
 * Where pairs come from and votes go: the server of the live page, or the page itself, which keeps votes until they are
 * downloaded. What a page gets to know of a pair is random names, the prompt and one size.
 *
 * @typedef {{id: string, text: string, left: string, right: string, size: [number, number]}} Asked
 * @typedef {{question: string, pairs: Asked[], votes: number, needed: number, undo: string | null, owner?: boolean}} Polled
 * @typedef {"left" | "right" | "tie" | "both bad"} Chosen
 * @typedef {{polled: () => Promise<Polled>, answer: (id: string, choice: Chosen, milliseconds: number) => Promise<Polled>,
 *   undo: (id: string) => Promise<Polled>, picture: (name: string) => Promise<string>, onTrouble: (text: string) => void,
 *   said?: () => Promise<Heard>, rater?: string, name?: (rater: string) => void, download?: () => void}} Ballot
 * @typedef {{votes: string[], metrics: string[]}} Heard what the votes say, and what the metrics say beside them
 * @typedef {{id: string, question: string, pairs: Asked[]}} Printed
 */
const Ballot = (() => {
  const AGAIN_MS = 700; // until a vote that did not arrive is sent again
  const GONE = "The voting has ended here. Open your link again, or ask for a new one.";

  /** A ballot of the live page. A vote that does not arrive is sent again until it does: its id makes it count once. @returns {Ballot} */
  function live() {
    /** @type {Ballot} */
    const ballot = {
      polled: () => ask("vote/pairs"),
      answer: (id, choice, milliseconds) => ask("vote/answer", { id, choice, milliseconds }),
      undo: (id) => ask("vote/undo", { id }),
      picture: async (name) => URL.createObjectURL(await (await asked("vote/picture/" + encodeURIComponent(name))).blob()),
      onTrouble: () => {},
      said: async () => (await asked("vote/said")).json(),
    };

    /** @param {string} path @param {object} [body] @returns {Promise<Polled>} */
    async function ask(path, body) {
      for (;;) {
        try {
          const answer = await asked(path, body);
          const polled = await answer.json();
          ballot.onTrouble("");
          return polled;
        } catch (error) {
          if (error instanceof Gone) throw error;
          ballot.onTrouble(error instanceof Later ? error.message : "No connection. Your vote is kept and sent again.");
          await new Promise((done) => setTimeout(done, AGAIN_MS));
        }
      }
    }

    /** @param {string} path @param {object} [body] */
    async function asked(path, body) {
      const headers = { "Content-Type": "application/json", "X-Teststrip": "1" };
      const answer = await fetch(path, body ? { method: "POST", headers, body: JSON.stringify(body) } : {});
      if (answer.ok) return answer;
      if (answer.status === 503 || answer.status === 408) throw new Later(await answer.text());
      throw new Gone(answer.status === 401 ? GONE : await answer.text());
    }
    return ballot;
  }

  /** A ballot that needs no server. Each vote is kept in the browser's own store before the next pair is seen. @param {Printed} printed @returns {Ballot} */
  function printed(printed) {
    const key = "teststrip.ballot." + printed.id;
    /** @type {{rater: string, votes: {id: string, choice: Chosen, milliseconds: number, at: string}[]}} */
    let kept = { rater: "", votes: [] };
    try {
      kept = JSON.parse(localStorage.getItem(key) ?? "null") ?? kept;
    } catch {
      // Private windows and some files have no storage: the votes live as long as the tab.
    }
    const pictures = new Map(printed.pairs.flatMap((pair) => [[pair.id + "l", pair.left], [pair.id + "r", pair.right]]));
    /** @type {Ballot} */
    const ballot = {
      polled: async () => state(),
      answer: async (id, choice, milliseconds) => {
        if (!kept.votes.some((vote) => vote.id === id)) kept.votes.push({ id, choice, milliseconds, at: new Date().toISOString().slice(0, 19) + "Z" });
        return keep();
      },
      undo: async (id) => {
        kept.votes = kept.votes.filter((vote) => vote.id !== id);
        return keep();
      },
      picture: async (name) => /** @type {string} */ (pictures.get(name)),
      onTrouble: () => {},
      get rater() { return kept.rater; },
      name: (rater) => {
        kept.rater = rater;
        keep();
      },
      download,
    };

    function keep() {
      try {
        localStorage.setItem(key, JSON.stringify(kept));
        ballot.onTrouble("");
      } catch {
        ballot.onTrouble("This browser keeps nothing for this page: download your votes before you close it.");
      }
      return state();
    }

    /** @returns {Polled} */
    function state() {
      const done = new Set(kept.votes.map((vote) => vote.id));
      const left = printed.pairs.filter((pair) => !done.has(pair.id));
      const pairs = left.slice(0, 3).map((pair) => ({ ...pair, left: pair.id + "l", right: pair.id + "r" }));
      return { question: printed.question, pairs, votes: kept.votes.length, needed: left.length, undo: kept.votes.at(-1)?.id ?? null };
    }

    function download() {
      const file = new Blob([JSON.stringify({ ballot: printed.id, ...kept }, null, 1)], { type: "application/json" });
      const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(file), download: `votes-${printed.id.slice(0, 8)}.json` });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    }
    return ballot;
  }

  class Later extends Error {}
  class Gone extends Error {}
  return { live, printed };
})();
