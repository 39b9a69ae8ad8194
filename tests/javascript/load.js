/** Loads the page's classic scripts as a browser does, into one global scope, and hands out what they define. */
const { readFileSync } = require("node:fs");
const { join } = require("node:path");
const vm = require("node:vm");

const ASSETS = join(__dirname, "..", "..", "src", "teststrip", "views", "assets");

/** @param {string[]} files @param {Record<string, unknown>} [world] */
exports.load = (files, world = {}) => {
  const context = vm.createContext({ URLSearchParams, location: { hash: "", protocol: "http:" }, ...world });
  for (const file of files) vm.runInContext(readFileSync(join(ASSETS, file), "utf-8"), context, { filename: file });
  return (/** @type {string} */ name) => vm.runInContext(name, context);
};

/** A small study: two axes, two prompts, three seeds, a score that grows with everything. */
exports.raw = () => {
  const cells = [];
  const places = [];
  for (let a = 0; a < 3; a++) for (let b = 0; b < 2; b++) cells.push({ at: [a, b], engine: "pattern", options: {}, settings: { guidance_scale: a + 1 } });
  for (let replicate = 0; replicate < 3; replicate++)
    for (let prompt = 0; prompt < 2; prompt++)
      cells.forEach((_, cell) => {
        const i = places.length;
        places.push({ i, shot: "s" + i, cell, prompt, replicate, seed: 100 + i, file: `images/${i}.png`, digest: "d" + i, size: [64, 64], seconds: 1 + cell, scores: [cell * 10 + prompt * 100 + replicate] });
      });
  return {
    study: { name: "small", engines: { engine: "pattern" }, settings: { width: 64 }, replicates: 3, question: ["quality"], seeds: null },
    axes: [
      { name: "guidance_scale", kind: "setting", labels: ["1", "2", "3"], numbers: [1, 2, 3], settings: [{ guidance_scale: 1 }, { guidance_scale: 2 }, { guidance_scale: 3 }] },
      { name: "sampler", kind: "linked", labels: ["DDIM", "it's \"odd\""], numbers: null, settings: [{ scheduler: "DDIMScheduler" }, { scheduler: "Other" }] },
    ],
    prompts: [{ id: "owl", text: "an owl", tags: ["animal"] }, { id: "car", text: "a car", tags: [] }],
    titles: { guidance_scale: "guidance", sampler: "sampler", quality: "quality", width: "width" },
    metrics: [{ name: "quality", unit: "", higher_is_better: true }],
    cells, places, findings: [], progress: { total: 36, made: 36, failed: 0 }, root: "../",
  };
};
