const assert = require("node:assert/strict");
const test = require("node:test");
const { load, raw } = require("./load.js");

const htmPreact = { html: () => null, render() {}, useEffect() {}, useLayoutEffect() {}, useMemo() {}, useRef() {}, useState: () => [] };
const get = load(["board.js", "numbers.js", "view.js", "hooks.js", "store.js", "takeaway.js"], { htmPreact, addEventListener() {} });
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

test("options of the engine stand in the command as their axis has them, and where the pipeline is loaded in the snippet", () => {
  const board = Board.model(raw());
  Object.assign(board.axes[0], { name: "dtype", kind: "option", settings: [{}, {}, {}], options: [{ dtype: "auto" }, { dtype: "bfloat16" }, { dtype: "float16" }] });
  Object.assign(board.axes[1], { options: [{ quality: "q4" }, {}] });
  board.cells.forEach((cell) => (cell.options = { dtype: board.axes[0].options?.[cell.at[0]].dtype, quality: ["q4", "full"][cell.at[1]], spare: 1 }));
  const at = (/** @type {number} */ cell) => board.places.filter((place) => place.cell === cell)[0];
  assert.match(TakeAway.command(board, at(2)), /--set 'axes\.dtype=\["bfloat16"\]'/);
  assert.match(TakeAway.command(board, at(2)), /--set 'axes\.sampler=\[\{ label = "DDIM", scheduler = "DDIMScheduler", quality = "q4" \}\]'/);
  const bf16 = TakeAway.diffusers(board, at(2));
  assert.match(bf16, /^pipeline = DiffusionPipeline\.from_pretrained\(.*, torch_dtype=torch\.bfloat16\)$/m);
  assert.match(bf16, /^# Made with quality = "q4", an option of Teststrip's engine\.$/m);
  assert.doesNotMatch(bf16, /dtype=[^t]|spare/);
  assert.doesNotMatch(TakeAway.diffusers(board, at(0)), /torch_dtype/);
  board.cells[2].options = { dtype: "auto", variant: "fp16", safety_checker: false };
  assert.match(TakeAway.diffusers(board, at(2)), /, variant="fp16", safety_checker=None\)$/m);
});

test("a snippet does not hand the pipeline a part of the steps, which its call does not take", () => {
  const board = Board.model(raw());
  board.cells.forEach((cell) => Object.assign(cell.settings, { guidance_stop: 0.4 }));
  const snippet = TakeAway.diffusers(board, board.places[0]);
  assert.match(snippet, /^# Guided in a part of the steps alone.*: guidance_stop = 0\.4$/m);
  assert.doesNotMatch(snippet, /guidance_stop=/);
});

test("a prompt's pictures are taken along, from the folder of the run", () => {
  const board = Board.model(raw());
  const plain = TakeAway.diffusers(board, board.places[0]);
  assert.doesNotMatch(plain, /load_image|AutoPipeline/);
  const prompt = board.prompts[board.places[0].prompt];
  /** @param {Record<string, string>} pictures @param {Record<string, unknown>} [settings] */
  const snippet = (pictures, settings = {}) => {
    prompt.pictures = pictures;
    board.cells.forEach((cell) => Object.assign(cell.settings, settings));
    return TakeAway.diffusers(board, board.places[0]);
  };
  const photo = "inputs/ab.png";
  assert.match(snippet({ image: photo }), /^pipeline = AutoPipelineForImage2Image\.from_pretrained\(/m);
  assert.match(snippet({ image: photo }), /^ {4}image=load_image\("runs\/small\/inputs\/ab\.png"\),$/m);
  assert.match(snippet({ image: photo, mask: photo }), /AutoPipelineForInpainting[^]*\n {4}mask_image=load_image\(/);
  const led = snippet({ control_image: photo }, { controlnet: "nets/pose" });
  assert.match(led, /^pipeline = AutoPipelineForText2Image.*, controlnet=AutoModel\.from_pretrained\("nets\/pose"\)\)$/m);
  assert.match(led, /"control_image" if "control_image" in signature\(pipeline\.__call__\)\.parameters else "image"/);
  assert.doesNotMatch(led, /^ {4}controlnet=/m);
  const seen = snippet({ ip_adapter_image: photo }, { controlnet: null, ip_adapter: "nets/ip.safetensors", ip_adapter_scale: 0.5 });
  assert.match(seen, /^pipeline\.load_ip_adapter\("nets", subfolder="", weight_name="ip\.safetensors", image_encoder_folder=None\)$/m);
  assert.match(seen, /^pipeline\.set_ip_adapter_scale\(0\.5\)$/m);
  assert.match(TakeAway.command(board, board.places[0]), /--set 'prompts=\[\{ text = "an owl", ip_adapter_image = "inputs\/ab\.png" \}\]'/);
});

test("a snippet says which guider made a picture, because only a modular pipeline takes one", () => {
  const board = Board.model(raw());
  board.cells.forEach((cell) => Object.assign(cell.settings, { guider: "AdaptiveProjectedGuidance", "guider.eta": 0.5 }));
  const snippet = TakeAway.diffusers(board, board.places[0]);
  assert.match(snippet, /^# Guided by AdaptiveProjectedGuidance\(eta=0\.5\), /m);
  assert.doesNotMatch(snippet, /guider[.=]/);
});
