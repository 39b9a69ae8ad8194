const assert = require("node:assert/strict");
const test = require("node:test");
const { load, raw } = require("./load.js");

const get = load(["board.js", "numbers.js", "view.js", "pivot.js", "layout.js"]);
const [Board, View, Pivot, Layout, Numbers] = ["Board", "View", "Pivot", "Layout", "Numbers"].map(get);
const screen = { width: 1280, height: 800, aspect: 1, measure: (text) => 8 * text.length, crop: null, most: 208 };

function laid(change = {}) {
  const board = Board.model(raw());
  const view = { ...View.defaults(board), ...change };
  const pivot = Pivot.of(board, view);
  return { board, view, pivot, sizes: Layout.measure(pivot, view, screen) };
}

test("each place that passes the filters stands in just one cell", () => {
  for (const change of [{}, { by: [], rows: ["prompt", "sampler"] }, { rows: [], cols: [], by: [], pile: ["guidance_scale", "sampler", "prompt", "seed"] }, { layout: "wall" }, { keep: { prompt: [1] } }]) {
    const { board, view, pivot } = laid(change);
    const passes = Pivot.filter(board, view);
    const seen = pivot.sections.flatMap((section) => section.rows.flatMap((row) => pivot.cols.flatMap((col) => [...pivot.places(section, row, col)].map((place) => place.i))));
    assert.deepEqual([...seen].sort((a, b) => a - b), board.places.filter(passes).map((place) => place.i));
  }
});

test("a place is found where it stands", () => {
  for (const change of [{}, { layout: "wall", sort: "-score" }]) {
    const { board, view, pivot } = laid(change);
    for (const place of board.places) {
      const at = Pivot.find(board, view, pivot, place);
      const section = pivot.sections[at.s];
      assert.ok(pivot.places(section, section.rows[at.r], pivot.cols[at.c]).includes(place));
    }
  }
});

test("a level at a time is shown of a dimension on a slider", () => {
  const { board, pivot } = laid({ rows: [], flip: ["sampler"], at: { sampler: 1 } });
  assert.equal(pivot.shown, 18);
  assert.ok(pivot.sections.every((section) => section.rows.length === 1));
  assert.equal(board.places.length, 36);
});

test("walking down goes on into the next section and stops at the end", () => {
  const { pivot } = laid();
  let at = { s: 0, r: 0, c: 1 };
  const path = [];
  for (let next = at; next; next = Pivot.step(pivot, at, 1, 0)) {
    at = next;
    path.push([at.s, at.r, at.c].join());
  }
  assert.deepEqual(path, ["0,0,1", "0,1,1", "1,0,1", "1,1,1"]);
});

test("an order by score turns with its sign", () => {
  const up = laid({ order: { prompt: "score" } }).pivot.sections.map((section) => section.labels[0]);
  const down = laid({ order: { prompt: "-score" } }).pivot.sections.map((section) => section.labels[0]);
  assert.deepEqual([[...up], [...down]], [["an owl", "a car"], ["a car", "an owl"]]);
});

test("sections never overlap, stand side by side where there is room, and the canvas ends where the last one does", () => {
  for (const [size, width, abreast] of [[0, 1280, 2], [300, 1280, 1], [96, 2600, 2], [0, 390, 1]]) {
    const board = Board.model(raw());
    const view = { ...View.defaults(board), size };
    const pivot = Pivot.of(board, view);
    const sizes = Layout.measure(pivot, view, { ...screen, width, most: 128 });
    const [a, b] = pivot.sections;
    assert.equal(a.top === b.top ? 2 : 1, abreast, `${size} ${width}`);
    assert.ok(b.top >= a.top + a.height || b.left >= a.left + a.width);
    assert.equal(sizes.height, b.top + b.height);
  }
});

test("no screen can hold more than 300 cells", () => {
  for (const [width, height] of [[390, 800], [1280, 800], [1920, 1080], [3840, 2160]]) {
    const board = Board.model(raw());
    const view = { ...View.defaults(board), size: 48 };
    const pivot = Pivot.of(board, view);
    const sizes = Layout.measure(pivot, view, { ...screen, width, height });
    assert.ok(Math.ceil(width / sizes.pitchX) * Math.ceil(height / sizes.pitchY) <= 300, `${width} × ${height}`);
  }
});

test("the median of a cell is the lower middle picture, best and worst follow the metric's good end", () => {
  const board = Board.model(raw());
  const places = board.places.filter((place) => place.cell === 2 && place.prompt === 0);
  const chosen = (pick) => Numbers.choose(board, places, pick, "quality").replicate;
  assert.deepEqual(["median", "best", "worst", "first"].map(chosen), [1, 2, 0, 0]);
  board.metrics[0].higher_is_better = false;
  assert.deepEqual(["median", "best", "worst"].map(chosen), [1, 0, 2]);
  assert.equal(Numbers.choose(board, places.slice(0, 2), "median", "quality").replicate, 1);
});

test("all columns fit when a person asks for it, unless a screen would then hold more pictures than the grid draws", () => {
  const data = raw();
  const tally = { fits: 0, wider: 0 };
  for (const levels of [3, 12, 40, 120])
    for (const prompts of [1, 2, 9, 40])
      for (const width of [1280, 2560]) {
        const board = Board.model({
          ...data, places: [], prompts: Array.from({ length: prompts }, (_, n) => ({ id: "p" + n, text: "prompt " + n, tags: [] })),
          axes: [{ ...data.axes[0], labels: Array.from({ length: levels }, (_, n) => String(n)), numbers: null }, { ...data.axes[1] }],
          cells: Array.from({ length: levels * 2 }, (_, n) => ({ ...data.cells[0], at: [Math.floor(n / 2), n % 2] })),
        });
        for (let cell = 0; cell < board.cells.length; cell++)
          for (let prompt = 0; prompt < prompts; prompt++) {
            const place = { ...data.places[0], i: board.places.length, cell, prompt, replicate: 0, file: "x.png" };
            Board.locate(board, place);
            board.places.push(place);
          }
        const view = { ...View.defaults(board), fit: true };
        const pivot = Pivot.of(board, view);
        const sizes = Layout.measure(pivot, view, { ...screen, width });
        const seen = (top) => pivot.sections.reduce((sum, section) => sum + section.rows.filter((_, r) => {
          const at = section.top + section.headTop + sizes.head + r * sizes.pitchY;
          return at + sizes.pitchY > top - sizes.pitchY && at < top + screen.height + sizes.pitchY;
        }).length, 0) * levels;
        for (let top = 0; top < sizes.height; top += 37) assert.ok(seen(top) * Math.min(1, width / (levels * sizes.pitchX)) <= Layout.most(view), `${levels} ${prompts} ${width}`);
        if (sizes.width <= width) tally.fits += 1;
        else {
          tally.wider += 1;
          assert.ok(levels === 120, `${levels} ${prompts} ${width}`); // 40 levels fit, whatever the number of prompts
        }
      }
  assert.ok(tally.fits > 20 && tally.wider > 0, JSON.stringify(tally));
});
