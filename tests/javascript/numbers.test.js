const assert = require("node:assert/strict");
const test = require("node:test");
const { load } = require("./load.js");

const get = load(["board.js", "numbers.js", "pixels.js"]);
const [Numbers, Pixels] = [get("Numbers"), get("Pixels")];
const near = (a, b, by = 1e-3) => assert.ok(Math.abs(a - b) <= by * Math.max(1, Math.abs(b)), `${a} is not near ${b}`);

test("Student's t agrees with tables beyond the built-in ones", () => {
  near(Numbers.t95(1), 12.706);
  near(Numbers.t95(30), 2.042);
  near(Numbers.t95(40), 2.021);
  near(Numbers.t95(120), 1.98);
  near(Numbers.t95(1e6), 1.96);
});

test("an interval of 1, 2, 3, 4, 5 is 3 ± 1.963", () => {
  const found = Numbers.estimate([1, 2, 3, 4, 5]); // scipy.stats.t.interval(0.95, 4, 3, scipy.stats.sem([1, 2, 3, 4, 5]))
  near(found.mean, 3);
  near(found.low, 1.0368);
  near(found.high, 4.9632);
  assert.ok(Number.isNaN(Numbers.estimate([1]).low));
});

test("within-prompt intervals do not see that some prompts score higher", () => {
  const table = [[1, 2.1, 3], [2, 2.9, 4.1], [3.1, 4, 5]];
  const shifted = table.map((row, n) => row.map((value) => value + 1000 * n));
  const [a, b] = [Numbers.within(table), Numbers.within(shifted)];
  a.forEach((point, n) => near(point.high - point.low, b[n].high - b[n].low));
});

test("the difference of two pictures is a map and its numbers", () => {
  const [a, b] = [new Uint8ClampedArray([0, 0, 0, 255, 10, 20, 30, 255]), new Uint8ClampedArray([0, 0, 0, 255, 40, 20, 0, 255])];
  const found = Pixels.difference(a, b);
  assert.deepEqual([...found.map], [0, 20]);
  near(found.mean, 10);
  near(found.changed, 0.5);
  near(found.psnr, 10 * Math.log10(255 ** 2 / 300));
  assert.equal(Pixels.difference(a, a).psnr, Infinity);
});
