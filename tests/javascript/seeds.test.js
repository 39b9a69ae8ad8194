const assert = require("node:assert/strict");
const test = require("node:test");
const { load, raw } = require("./load.js");

const get = load(["board.js", "numbers.js", "view.js", "pivot.js", "seeds.js", "phrases.js", "tint.js"]);
const [Board, View, Pivot, Seeds, Tint] = ["Board", "View", "Pivot", "Seeds", "Tint"].map(get);
const plain = (value) => JSON.parse(JSON.stringify(value));

function laid(change = {}, spoil = (_) => {}) {
  const made = raw();
  spoil(made);
  const board = Board.model(made);
  const view = { ...View.defaults(board), ...change };
  const pivot = Pivot.of(board, view);
  const cells = pivot.sections.map((section) => section.rows.flatMap((row) => pivot.cols.map((col) => Seeds.choose(board, view, pivot.places(section, row, col)))));
  return { board, view, pivot, cells };
}

test("the seed of the view is shown in every cell, else each prompt's typical one", () => {
  for (const seed of [null, 0, 1, 2])
    for (const section of laid({ seed }).cells) assert.deepEqual(plain(section.map((place) => place.replicate)), Array(6).fill(seed ?? 1));
});

test("a cell that lacks the picture of the seed shows another, and only that cell is astray", () => {
  const lost = (board) => { delete board.places[12].file; delete board.places[12].scores; };
  const { board, view, cells, pivot } = laid({}, lost);
  assert.equal(board.places[12].replicate, 1);
  const astray = cells.flat().filter((place) => Seeds.strays(board, view, place, null));
  assert.deepEqual(plain(astray.map((place) => [place.cell, place.prompt])), [[board.places[12].cell, board.places[12].prompt]]);
  assert.ok(Seeds.differ(board, view, pivot));
});

test("the neighbour of a picture has its seed, whatever lies together with the seed", () => {
  for (const pile of [["seed"], ["prompt", "seed"], ["sampler", "seed"], ["prompt", "sampler", "seed"]]) {
    const rows = ["prompt", "sampler"].filter((id) => !pile.includes(id));
    const { board, view, pivot } = laid({ by: [], rows, pile });
    const [a, b] = pivot.cols;
    for (const row of pivot.sections[0].rows)
      for (const place of pivot.places(pivot.sections[0], row, a)) {
        const next = Seeds.like(board, view, pivot.places(pivot.sections[0], row, b), place);
        assert.deepEqual(plain([next.replicate, ...pile.map((id) => board.level(next, id))]), plain([place.replicate, ...pile.map((id) => board.level(place, id))]));
      }
  }
});

test("seeds are stepped in a circle", () => {
  const { board, view } = laid();
  const seen = [1, 1, 1, -1].reduce((path, by) => [...path, { ...path[path.length - 1], ...Seeds.step(board, path[path.length - 1], by) }], [view]);
  assert.deepEqual(seen.slice(1).map((each) => each.seed), [2, 0, 1, 0]);
});

test("a comparison is aligned to the first picture's seed, but not where the seed is the question", () => {
  const { board } = laid();
  const at = (cell, replicate) => board.places.find((place) => place.cell === cell && place.replicate === replicate && place.prompt === 0);
  assert.deepEqual(plain(Seeds.aligned(board, [at(0, 2), at(1, 0), at(2, 2)])), plain([at(0, 2), at(1, 2), at(2, 2)]));
  assert.equal(Seeds.aligned(board, [at(0, 2), at(1, 2)]), null);
  assert.equal(Seeds.aligned(board, [at(0, 2), at(0, 1)]), null);
});

test("neither sliders nor filters nor the places of axes move the scale of the tint", () => {
  const ends = (change) => { const { board, view } = laid({ tint: true, ...change }); return plain(Tint.ends(board, view)); };
  for (const against of View.AGAINST) {
    const usual = ends({ against });
    for (const change of [{ rows: [], flip: ["sampler"], at: { sampler: 1 } }, { keep: { prompt: [1] } }, { low: 20 }, { by: [], rows: ["prompt"], pile: ["sampler", "seed"] }])
      assert.deepEqual(ends({ against, ...change }), usual);
  }
  assert.deepEqual(ends({}), ["−25", "+25"]);
});
