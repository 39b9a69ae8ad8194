const assert = require("node:assert/strict");
const test = require("node:test");
const { load } = require("./load.js");

const Labels = load(["labels.js"])("Labels");
const short = (...texts) => [...Labels.shortened(texts)];

test("words that all labels share are left out but for one on each side", () => {
  const [a, b] = ["an oil painting of a wizard with a staff, sharp focus, 8k", "an oil painting of a very old owl with a staff, sharp focus, 8k"];
  assert.deepEqual(short(a, b), ["… a wizard with …", "… a very old owl with …"]);
});

test("short labels, one label and labels that share nothing stay whole", () => {
  const far = ["a single blood-red rose with thorns dripping blood", "an owl and a pussycat in a pea-green boat"];
  for (const texts of [["a red owl", "a red car"], [far[0]], far, [far[0], far[0]]]) assert.deepEqual(short(...texts), texts);
});

test("labels that differ stay different, and none becomes empty", () => {
  const stem = "the very same long words at the beginning";
  const texts = [stem, stem + " and more", stem + " and more and more", "the very same long words at the end of it all"];
  const found = short(...texts);
  assert.equal(new Set(found).size, texts.length);
  assert.ok(found.every((text) => /\w/.test(text)));
});
