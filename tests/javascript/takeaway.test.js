const assert = require("node:assert/strict");
const test = require("node:test");
const { load, raw } = require("./load.js");

const htmPreact = { html: () => null, render() {}, useEffect() {}, useLayoutEffect() {}, useMemo() {}, useRef() {}, useState: () => [] };
const get = load(["board.js", "numbers.js", "view.js", "store.js", "takeaway.js"], { htmPreact, addEventListener() {} });
const [Board, TakeAway] = [get("Board"), get("TakeAway")];

test("a word of a shell stays one word", () => {
  assert.equal(TakeAway.shell("axes.guidance_scale=[7]"), "'axes.guidance_scale=[7]'");
  assert.equal(TakeAway.shell("it's"), "'it'\\''s'");
  assert.equal(TakeAway.shell("plain=1"), "plain=1");
});

test("a linked level is said with its label and its settings", () => {
  const board = Board.model(raw());
  const command = TakeAway.command(board, board.places[1]);
  assert.match(command, /--set 'axes\.sampler=\[\{ label = "it'\\''s \\"odd\\"", scheduler = "Other" \}\]'/);
  assert.match(command, /--set 'prompts=\["an owl"\]'/);
  assert.match(command, /--set 'seeds=\[101\]'/);
});

test("each picture is made in a folder of its own, never in the study's", () => {
  const board = Board.model(raw());
  const folders = board.places.map((place) => /^teststrip run runs\/small --out (\S+) /.exec(TakeAway.command(board, place))?.[1]);
  assert.equal(new Set(folders).size, board.places.length);
  assert.ok(folders.every((folder) => folder && folder !== "runs/small"));
});

test("a snippet quotes what would end a string", () => {
  const board = Board.model(raw());
  board.prompts[0].text = 'a "quoted"\nowl \\ \u2028';
  assert.match(TakeAway.diffusers(board, board.places[0]), /prompt="a \\"quoted\\"\\nowl \\\\ \\u2028",/);
});

test("a snippet gives the scheduler its options and the call its list of steps", () => {
  const board = Board.model(raw());
  /** @param {Record<string, any>} settings */
  const snippet = (settings) => {
    board.cells.forEach((cell) => Object.assign(cell.settings, { scheduler: null, schedule: null }, settings));
    return TakeAway.diffusers(board, board.places[0]);
  };
  const karras = snippet({ scheduler: "DPMSolverMultistepScheduler", "scheduler.use_karras_sigmas": true });
  assert.match(karras, /DPMSolverMultistepScheduler\.from_config\(pipeline\.scheduler\.config, use_karras_sigmas=True\)/);
  assert.doesNotMatch(karras, /scheduler\.use_karras_sigmas/);
  assert.match(snippet({ "scheduler.shift": 3 }), /type\(pipeline\.scheduler\)\.from_config\(.*, shift=3\)/);
  assert.match(snippet({ schedule: "timesteps 999 24" }), /^ {4}timesteps=\[999, 24\],$/m);
  assert.match(snippet({ schedule: "StableDiffusionSigmas" }), /^ {4}sigmas=AysSchedules\["StableDiffusionSigmas"\],$/m);
  assert.match(snippet({ schedule: "ays" }), /^from diffusers\.schedulers import AysSchedules$/m);
});

test("a snippet does not hand the pipeline a part of the steps, which its call does not take", () => {
  const board = Board.model(raw());
  board.cells.forEach((cell) => Object.assign(cell.settings, { guidance_stop: 0.4 }));
  const snippet = TakeAway.diffusers(board, board.places[0]);
  assert.match(snippet, /^# Guided in a part of the steps alone.*: guidance_stop = 0\.4$/m);
  assert.doesNotMatch(snippet, /guidance_stop=/);
});

test("a snippet says which guider made a picture, because only a modular pipeline takes one", () => {
  const board = Board.model(raw());
  board.cells.forEach((cell) => Object.assign(cell.settings, { guider: "AdaptiveProjectedGuidance", "guider.eta": 0.5 }));
  const snippet = TakeAway.diffusers(board, board.places[0]);
  assert.match(snippet, /^# Guided by AdaptiveProjectedGuidance\(eta=0\.5\), /m);
  assert.doesNotMatch(snippet, /guider[.=]/);
});
