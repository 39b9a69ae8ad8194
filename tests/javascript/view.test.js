const assert = require("node:assert/strict");
const test = require("node:test");
const { load, raw } = require("./load.js");

const get = load(["board.js", "numbers.js", "view.js"]);
const [Board, View] = [get("Board"), get("View")];
const plain = (value) => JSON.parse(JSON.stringify(value));

test("the usual view has the first axis across, the second down and a section for each prompt", () => {
  const view = View.defaults(Board.model(raw()));
  assert.deepEqual(plain([view.cols, view.rows, view.by, view.flip, view.pile]), [["guidance_scale"], ["sampler"], ["prompt"], [], ["seed"]]);
});

test("an address holds only what is not usual, and none at all for the usual view", () => {
  const board = Board.model(raw());
  assert.equal(View.format(View.defaults(board), board), "");
});

test("every view survives its own address", () => {
  const board = Board.model(raw());
  const ids = board.dims.map((dim) => dim.id);
  let state = 7;
  const random = (below) => { state = (state * 48271) % 2147483647; return state % below; };
  for (let n = 0; n < 500; n++) {
    const view = View.defaults(board);
    for (const zone of View.ZONES) view[zone] = [];
    for (const id of ids) view[View.ZONES[random(5)]].push(id); // the pile's order means nothing: it is the board's
    if (random(2)) view.at = { sampler: 1 };
    if (random(2)) view.keep = { prompt: [1], guidance_scale: [0, 2] };
    if (random(2)) view.order = { prompt: "-score" };
    Object.assign(view, {
      pick: View.PICKS[random(5)], tint: Boolean(random(2)), against: View.AGAINST[random(2)], low: random(2) ? -0.5 : null, high: random(2) ? 12 : null,
      only: ["", "failed", "starred"][random(3)], tag: ["", "a&b=c#d,e%"][random(2)], layout: ["grid", "wall"][random(2)],
      sort: View.SORTS[random(7)], size: random(2) * 160, open: random(2) ? random(36) : null, cmp: [[], [3, 1]][random(2)],
      roi: random(2) ? [0.25, 0.125, 0.5, 0.25] : null, zoom: 1 + random(4), star: [[], [5, 9]][random(2)], charts: Boolean(random(2)),
    });
    view.seed = view.pick === "typical" && random(2) ? random(3) : null;
    assert.deepEqual(plain(View.parse("#" + View.format(view, board), board)), plain(view));
  }
});

test("whatever stands in an address, every dimension stands in just one zone", () => {
  const board = Board.model(raw());
  for (const hash of ["rows=prompt,prompt", "rows=x&cols=seed", "cols=guidance_scale,sampler,prompt,seed&rows=", "by=%E0%A4%A", "rows=&cols=&by=&flip=", "pile=prompt"]) {
    const view = View.parse(hash, board);
    const placed = View.ZONES.flatMap((zone) => view[zone]);
    assert.deepEqual(plain(placed).sort(), board.dims.map((dim) => dim.id).sort(), hash);
  }
});

test("two dimensions swap their places and a third stays", () => {
  const view = View.swap(View.defaults(Board.model(raw())), "prompt", "guidance_scale");
  assert.deepEqual(plain([view.cols, view.rows, view.by]), [["prompt"], ["sampler"], ["guidance_scale"]]);
});
