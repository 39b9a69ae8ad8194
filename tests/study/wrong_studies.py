"""Study files with one mistake each, and the exact message each gets.

`HEAD` comes first in every file unless the entry brings its own `name`; `study.toml` is the file's name.
"""

from __future__ import annotations

from typing import NamedTuple

NAME = 'name = "demo"\n'
PROMPTS = 'prompts = ["an owl", "a rose"]\n'
PATTERN = '[engine]\nname = "pattern"\n'
HEAD = NAME + PROMPTS + PATTERN


class Wrong(NamedTuple):
    """A sentence about the mistake, the file, the message without its `study.toml: `."""

    mistake: str
    text: str
    message: str


def key(lines: str) -> str:
    """A file with more keys at the top."""
    return NAME + PROMPTS + lines + "\n" + PATTERN


def axes(lines: str) -> str:
    """A file with these axes."""
    return HEAD + "[axes]\n" + lines + "\n"


SETTINGS = "prompt, negative_prompt, seed, guidance_scale, num_inference_steps, scheduler, eta, width, height"
SCHEDULERS = "DDIMScheduler, DPMSolverMultistepScheduler, EulerAncestralDiscreteScheduler"

WRONG = [
    # --- the file ---
    Wrong(
        "not TOML", HEAD + "[axes\n", "line 5, column 6: not valid TOML: expected ']' at the end of a table declaration"
    ),
    Wrong("a value without quotes", "name = demo\n", "line 1, column 8: not valid TOML: invalid value"),
    Wrong(
        "a key twice",
        NAME + NAME,
        "line 2, column 14: not valid TOML: cannot overwrite a value. Is a key written twice?",
    ),
    Wrong("a number of many digits", key("replicates = " + "9" * 5000), "not valid TOML: a number has too many digits"),
    Wrong("nested too deeply", key("x = " + "[" * 30 + "]" * 30), "x[0]: is nested deeper than 8 levels"),
    # --- the top ---
    Wrong("no name", PROMPTS + PATTERN, 'name is missing. Write name = "study"'),
    Wrong(
        "a picture that is not there",
        NAME + 'prompts = [{ text = "a", image = "owl.png" }]\n' + PATTERN,
        "prompts[0].image: 'owl.png' is no file beside the study or below. Check its name",
    ),
    Wrong(
        "a picture elsewhere",
        NAME + 'prompts = [{ text = "a", control_image = "../owl.png" }]\n' + PATTERN,
        "prompts[0].control_image: '../owl.png' lies outside the study's folder. Move it beside the study file",
    ),
    Wrong(
        "a picture that is a number",
        NAME + 'prompts = [{ text = "a", mask = 3 }]\n' + PATTERN,
        "prompts[0].mask: must be the path of a picture in quotes, not a number (3)",
    ),
    Wrong(
        "a picture that is none",
        NAME + 'prompts = [{ text = "a", image = "study.toml" }]\n' + PATTERN,
        "prompts[0].image: 'study.toml' is no picture (not a PNG, JPEG or WebP: the bytes begin with b'name = \"')."
        " Save it as PNG, JPEG or WebP",
    ),
    Wrong("no prompts", NAME + PATTERN, 'prompts is missing. Write prompts = ["an owl", "a rose"]'),
    Wrong("a key misspelled", key("replicate = 2"), "unknown key 'replicate'. Did you mean 'replicates'?"),
    Wrong(
        "a key nobody knows",
        key("zzz = 2"),
        "unknown key 'zzz'. Known: name, prompts, replicates, seeds, engine, engines, settings, schedules, loras,"
        " textual_inversions, axes, exclude, question, budget, metrics, trackers",
    ),
    Wrong(
        "a setting at the top",
        key("guidance_scale = 7"),
        "unknown key 'guidance_scale'. Write it under [settings] to hold it fixed, or under [axes] to vary it",
    ),
    Wrong(
        "a capital in the name",
        'name = "Demo"\n' + PROMPTS,
        "name: 'Demo' must be 1 to 64 small letters, digits, '.', '_' or '-', beginning with a letter or digit",
    ),
    Wrong(
        "a name that climbs out",
        'name = "../up"\n' + PROMPTS,
        "name: '../up' must be 1 to 64 small letters, digits, '.', '_' or '-', beginning with a letter or digit",
    ),
    Wrong(
        "a Windows device",
        'name = "con.old"\n' + PROMPTS,
        "name: 'con.old' is a device on Windows, where no file can have that name. Choose another",
    ),
    Wrong(
        "a name with a final dot",
        'name = "demo."\n' + PROMPTS,
        "name: 'demo.' ends in a dot, which Windows drops. Choose another",
    ),
    Wrong("a number as name", "name = 7\n" + PROMPTS, "name: must be text in quotes, not a number (7)"),
    # --- prompts ---
    Wrong(
        "one prompt, no list",
        NAME + 'prompts = "an owl"\n',
        "prompts: must be a list. Write prompts = ['an owl'], or { file = ... } for a prompt file",
    ),
    Wrong("no prompt in the list", NAME + "prompts = []\n", "prompts: is empty. Give at least one prompt"),
    Wrong(
        "an empty prompt",
        NAME + 'prompts = ["an owl", " "]\n',
        "prompts[1]: is empty. Write what to draw, or remove it",
    ),
    Wrong(
        "a number among the prompts",
        NAME + "prompts = [7]\n",
        "prompts[0]: must be text or a table with text, not a number (7)",
    ),
    Wrong(
        "a prompt twice",
        NAME + 'prompts = ["an owl", "an owl"]\n',
        "prompts[1]: is the same text as prompts[0]. For more images of it, raise replicates",
    ),
    Wrong(
        "a prompt id twice",
        NAME + 'prompts = [{ text = "an owl", id = "owl" }, { text = "a cat", id = "Owl" }]\n',
        "prompts[1].id: 'Owl' is the id of prompts[0] too. Choose another",
    ),
    Wrong(
        "a prompt id that is a path",
        NAME + 'prompts = [{ text = "an owl", id = "a/b" }]\n',
        "prompts[0].id: 'a/b' must be 1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or digit",
    ),
    Wrong(
        "a prompt table without text",
        NAME + 'prompts = [{ id = "owl" }]\n',
        "prompts[0]: text is missing",
    ),
    Wrong(
        "a prompt table with another key",
        NAME + 'prompts = [{ text = "an owl", tag = "x" }]\n',
        "prompts[0]: unknown key 'tag'. Did you mean 'tags'?",
    ),
    Wrong(
        "tags that are no list",
        NAME + 'prompts = [{ text = "an owl", tags = "x" }]\n',
        'prompts[0].tags: must be a list of texts. Write tags = ["animal"]',
    ),
    Wrong(
        "a control character",
        NAME + 'prompts = ["an \\u0000owl"]\n',
        "prompts[0]: holds the control character U+0000. Remove it",
    ),
    Wrong(
        "a prompt file that is not there",
        NAME + 'prompts = { file = "absent.txt" }\n',
        "prompts.file: 'absent.txt' is no file beside the study or below. Check its name",
    ),
    Wrong(
        "a prompt file outside",
        NAME + 'prompts = { file = "../prompts.txt" }\n',
        "prompts.file: '../prompts.txt' lies outside the study's folder. Move it beside the study file",
    ),
    Wrong(
        "a prompt file of another kind",
        NAME + 'prompts = { file = "study.toml" }\n',
        "prompts.file: 'study.toml' must end in .txt, .csv, .tsv, .json or .jsonl",
    ),
    # --- replicates and seeds ---
    Wrong("no replicates", key("replicates = 0"), "replicates: 0 must be from 1 to 1,000,000"),
    Wrong("half a replicate", key("replicates = 1.5"), "replicates: must be a whole number, not a number (1.5)"),
    Wrong(
        "seeds and replicates",
        key("replicates = 2\nseeds = [1, 2]"),
        "seeds: replicates is there too. Keep one of them",
    ),
    Wrong("no seeds", key("seeds = []"), "seeds: is empty. Give at least one seed, or write replicates = 6 instead"),
    Wrong(
        "a negative seed",
        key("seeds = [1, -1]"),
        "seeds[1]: -1 must be from 0 to 4294967295, because seeds have 32 bits here. Which seeds a study has does not"
        " matter, as long as all settings share them: take any",
    ),
    Wrong(
        "a Windows path in double quotes",
        NAME + 'prompts = ["an owl"]\n[engine]\nmodel = "C:\\models\\sd15"\n',
        "line 4, column 14: not valid TOML: unescaped '\\' in a string. Put a Windows path into single quotes:"
        " 'C:\\models\\sd15'",
    ),
    Wrong(
        "a Windows path whose folder begins like a character's number",
        NAME + 'prompts = ["an owl"]\n[engine]\nmodel = "C:\\users\\me"\n',
        "line 4, column 14: not valid TOML: invalid hex value. Put a Windows path into single quotes:"
        " 'C:\\models\\sd15'",
    ),
    Wrong("a seed twice", key("seeds = [1, 2, 1]"), "seeds: 1 is there twice. Remove one"),
    Wrong(
        "one seed, no list",
        key("seeds = 7"),
        "seeds: must be a list of whole numbers, not a number. Write seeds = [1, 2, 3]",
    ),
    # --- engines ---
    Wrong(
        "an engine misspelled",
        NAME + PROMPTS + '[engine]\nname = "patern"\n',
        "engine.name: unknown engine 'patern'. Did you mean 'pattern'? Installed: diffusers, pattern",
    ),
    Wrong(
        "an option misspelled",
        HEAD + "second = 1\n",
        "engine: engine 'pattern' has no option 'second'. Did you mean 'seconds'?",
    ),
    Wrong(
        "an option out of bounds",
        HEAD + "fail_share = 2\n",
        "engine.fail_share: 2 is above 1, the largest fail_share of engine 'pattern'",
    ),
    Wrong("an option of another kind", HEAD + 'spin = "1"\n', "engine.spin: must be a number, not text ('1')"),
    Wrong("an engine that is no table", NAME + PROMPTS + 'engine = "pattern"\n', "engine: must be a table, not text"),
    Wrong(
        "an option that the engine refuses",
        HEAD + 'fail = "seed"\n',
        "engine: [engine] fail: cannot read 'seed'. Write setting=value, for example guidance_scale=9",
    ),
    Wrong(
        "an engine and engines",
        HEAD + '[engines.a]\nname = "pattern"\n',
        "engine: there is [engines] too. Keep one of them",
    ),
    Wrong(
        "engines that nothing uses",
        NAME + PROMPTS + '[engines.a]\nname = "pattern"\n[engines.b]\nname = "pattern"\nwidth = 32\n',
        'engines: nothing uses them. Write engine = ["a", "b"] under [axes]',
    ),
    Wrong(
        "an engine left out of the axis",
        NAME + PROMPTS + '[engines.a]\nname = "pattern"\n[engines.b]\nname = "pattern"\n[axes]\nengine = ["a"]\n',
        "engines.b: axes.engine does not use it. Add it there or remove it here",
    ),
    Wrong(
        "an engine that is not there",
        NAME + PROMPTS + '[engines.sd15]\nname = "pattern"\n[axes]\nengine = ["sd15", "sd16"]\n',
        "axes.engine[1]: there is no [engines.sd16]. Did you mean 'sd15'? There are: sd15",
    ),
    Wrong(
        "two engines that are one",
        NAME
        + PROMPTS
        + '[engines.a]\nname = "pattern"\n[engines.b]\nname = "pattern"\nspin = 1\n[axes]\nengine = ["a", "b"]\n',
        "engines.b: makes the same images as engines.a. Remove one",
    ),
    Wrong(
        "an engine's own setting that is an axis too",
        NAME
        + PROMPTS
        + '[engines.a]\nname = "pattern"\n[engines.b]\nname = "pattern"\neta = 1\n'
        + '[axes]\neta = [0, 0.5]\nengine = ["a", "b"]\n',
        "engines.b.eta: eta is set by axes.eta too. Keep one of them",
    ),
    Wrong(
        "a setting fixed twice",
        HEAD + "width = 32\n[settings]\nwidth = 64\n",
        "engine.width: settings.width is there too. Keep one of them",
    ),
    # --- fixed settings ---
    Wrong(
        "a setting misspelled",
        HEAD + "[settings]\nguidance = 7\n",
        "settings.guidance: engine 'pattern' has no setting 'guidance'. Did you mean 'guidance_scale'?",
    ),
    Wrong(
        "a synonym beside the name",
        HEAD + "[settings]\nguidance_scale = 7\ncfg = 8\n",
        "settings.cfg: is guidance_scale, which is there already",
    ),
    Wrong(
        "several values fixed",
        HEAD + "[settings]\nguidance_scale = [7, 8]\n",
        "settings.guidance_scale: must be one value, not a list. Several values are an axis: write it under [axes]",
    ),
    Wrong(
        "a seed fixed",
        HEAD + "[settings]\nseed = 7\n",
        "settings.seed: seeds are the replicates of the design. Write replicates = 6, or seeds = [1, 2, 3], at the top",
    ),
    Wrong(
        "a prompt fixed",
        HEAD + '[settings]\nprompt = "an owl"\n',
        'settings.prompt: prompts are the blocks of the design. Write prompts = ["..."] at the top',
    ),
    Wrong(
        "a date",
        HEAD + "[settings]\nguidance_scale = 2024-01-01\n",
        "settings.guidance_scale: must be a number, not a date (datetime.date(2024, 1, 1))",
    ),
    Wrong(
        "a number where text belongs",
        HEAD + "[settings]\nnegative_prompt = 7\n",
        'settings.negative_prompt: must be text in quotes, not a number (7). Put it in quotes: "7"',
    ),
    Wrong(
        "true where a number belongs",
        HEAD + "[settings]\nguidance_scale = true\n",
        "settings.guidance_scale: must be a number, not true or false (True)",
    ),
    Wrong(
        "half a step",
        HEAD + "[settings]\nsteps = 2.5\n",
        "settings.steps: 2.5 is not a whole number",
    ),
    Wrong(
        "not a number",
        HEAD + "[settings]\nguidance_scale = nan\n",
        "settings.guidance_scale: nan is not a finite number",
    ),
    Wrong(
        "settings that do not go together",
        HEAD + "[settings]\nwidth = 8192\nheight = 8192\n",
        "width × height: 8192 × 8192 is above 64,000,000 pixels. Choose less",
    ),
    # --- axes ---
    Wrong(
        "a value below the least",
        axes("guidance_scale = [1, 3, -7]"),
        "axes.guidance_scale[2]: -7 is below 0, the least guidance_scale of engine 'pattern'",
    ),
    Wrong(
        "a value above the largest",
        axes("steps = [50, 1001]"),
        "axes.steps[1]: 1001 is above 1000, the largest num_inference_steps of engine 'pattern'",
    ),
    Wrong(
        "an axis misspelled",
        axes("guidence_scale = [1, 3]"),
        "axes.guidence_scale: engine 'pattern' has no setting 'guidence_scale' and no prompt holds {guidence_scale}."
        " Did you mean 'guidance_scale'?",
    ),
    Wrong(
        "an axis that nothing uses",
        axes('animal = ["cat", "dog"]'),
        "axes.animal: engine 'pattern' has no setting 'animal' and no prompt holds {animal}."
        " Use it in a prompt as {animal}, name a setting, or write its levels as tables",
    ),
    Wrong(
        "a number format that does not exist",
        NAME + PROMPTS + '[axes]\ndtype = ["float32", "fp16"]\n',
        "axes.dtype[1]: 'fp16' is no dtype of engine 'diffusers'. There are: auto, float32, float16, bfloat16",
    ),
    Wrong(
        "one number format, no list",
        NAME + PROMPTS + '[axes]\ndtype = "float32"\n',
        "axes.dtype: must be a list, not text. A single value belongs under [engine]",
    ),
    Wrong(
        "a number format among settings",
        NAME + PROMPTS + '[settings]\ndtype = "float32"\n',
        "settings.dtype: engine 'diffusers' has no setting 'dtype'; it is an option. Write it under [engine], or"
        " several values under [axes]",
    ),
    Wrong(
        "an option for the engine and on an axis",
        NAME + PROMPTS + '[engine]\ndtype = "float32"\n[axes]\ndtype = ["float32", "float16"]\n',
        "axes.dtype: engine.dtype is there too. Keep one of them",
    ),
    Wrong(
        "an option that one engine lacks",
        NAME + PROMPTS + '[engines.a]\n[engines.b]\nname = "pattern"\n[axes]\nengine = ["a", "b"]\ndtype = ["auto"]\n',
        "axes.dtype[0]: engine 'pattern' has no option 'dtype'. Write it under [engines.NAME] of those that have it,"
        " not for 'b'",
    ),
    Wrong(
        "a device as axis",
        NAME + PROMPTS + '[axes]\nplace = [{ device = "cpu" }, { device = "cuda" }]\n',
        "axes.place[0].device: device changes no picture of engine 'diffusers', so its levels would be the same"
        " pictures under the same ids. Write it under [engine], and compare times by a study for each",
    ),
    Wrong(
        "an option misspelled as axis",
        NAME + PROMPTS + '[axes]\ndtyp = ["float32"]\n',
        "axes.dtyp: engine 'diffusers' has no setting 'dtyp' and no prompt holds {dtyp}. Did you mean 'dtype'?",
    ),
    Wrong(
        "an option that changes no picture as axis",
        axes("spin = [1, 2]"),
        "axes.spin[0]: spin changes no picture of engine 'pattern', so its levels would be the same pictures under the"
        " same ids. Write it under [engine], and compare times by a study for each",
    ),
    Wrong(
        "an empty axis",
        axes("guidance_scale = []"),
        "axes.guidance_scale: is empty. Give at least one value, or leave the axis out",
    ),
    Wrong(
        "an axis of one value, no list",
        axes("guidance_scale = 7"),
        "axes.guidance_scale: must be a list, not a number. A single value belongs under [settings]",
    ),
    Wrong(
        "a level twice",
        axes("guidance_scale = [7, 8, 7.0]"),
        "axes.guidance_scale[2]: '7' is there already, at [0]. Remove one",
    ),
    Wrong(
        "a level of another kind",
        axes('guidance_scale = [7, "8"]'),
        "axes.guidance_scale[1]: must be a number, not text ('8')",
    ),
    Wrong(
        "values and tables mixed",
        axes("guidance_scale = [7, { guidance_scale = 8 }]"),
        "axes.guidance_scale[1]: is a table among plain values. Write either all values or all tables",
    ),
    Wrong(
        "a scheduler misspelled",
        axes('scheduler = ["DDIMScheduler", "DDIMSheduler"]'),
        "axes.scheduler[1]: 'DDIMSheduler' is no scheduler of engine 'pattern'. Did you mean 'DDIMScheduler'?"
        f" There are: {SCHEDULERS}",
    ),
    Wrong(
        "a setting fixed and an axis",
        HEAD + "[settings]\ncfg = 7\n[axes]\nguidance_scale = [1, 3]\n",
        "axes.guidance_scale: guidance_scale is set by settings.guidance_scale too. Keep one of them",
    ),
    Wrong(
        "a setting of two axes",
        axes("eta = [0, 1]\nsampler = [{ label = 'a', eta = 0.5 }, { label = 'b', eta = 0.7 }]"),
        "axes.sampler: eta is set by axes.eta too. Keep one of them",
    ),
    Wrong(
        "an axis twice",
        axes("cfg = [1]\nguidance_scale = [3]"),
        "axes.guidance_scale: is guidance_scale, which is an axis already",
    ),
    Wrong(
        "seeds as axis",
        axes("seed = [1, 2]"),
        "axes.seed: seeds are the replicates of the design. Write replicates = 6, or seeds = [1, 2, 3], at the top",
    ),
    Wrong(
        "too many cells",
        axes("guidance_scale = { from = 0, to = 100, count = 10000 }\nsteps = { from = 1, to = 1000, step = 1 }"),
        "axes: guidance_scale 10000 × num_inference_steps 1000 = 10,000,000 cells; the most is 1,000,000."
        " Use fewer levels or fewer axes",
    ),
    Wrong(
        "too many images",
        NAME + PROMPTS + "replicates = 1000000\n" + PATTERN + "[axes]\ncfg = { from = 1, to = 10, step = 1 }\n",
        "cells 10 × prompts 2 × replicates 1,000,000 = 20,000,000 images; the most is 10,000,000."
        " Use fewer levels, prompts or replicates",
    ),
    # --- ranges ---
    Wrong(
        "a range without an end",
        axes("guidance_scale = { from = 1, count = 3 }"),
        "axes.guidance_scale: to is missing",
    ),
    Wrong(
        "a range without a count",
        axes("guidance_scale = { from = 1, to = 3 }"),
        "axes.guidance_scale: a range needs either count or step. Write { from = 1, to = 12, count = 5 }",
    ),
    Wrong(
        "a range that stands still",
        axes("guidance_scale = { from = 3, to = 3, count = 2 }"),
        "axes.guidance_scale: from and to are both 3. Write the value itself: [3]",
    ),
    Wrong(
        "a step of nothing",
        axes("guidance_scale = { from = 1, to = 3, step = 0 }"),
        "axes.guidance_scale.step: 0 must be above 0; to count down, swap from and to",
    ),
    Wrong(
        "a range of one value",
        axes("guidance_scale = { from = 1, to = 3, count = 1 }"),
        "axes.guidance_scale.count: 1 must be a whole number from 2 to 10,000",
    ),
    Wrong(
        "a range with halves of steps",
        axes("steps = { from = 1, to = 4, count = 3 }"),
        "axes.steps[1]: 2.5 is not a whole number",
    ),
    # --- linked settings ---
    Wrong(
        "a linked setting misspelled",
        axes('sampler = [{ label = "DDIM", schedular = "DDIMScheduler" }]'),
        "axes.sampler[0].schedular: engine 'pattern' has no setting 'schedular'. Did you mean 'scheduler'?",
    ),
    Wrong(
        "a label twice",
        axes('arm = [{ label = "a", eta = 0 }, { label = "a", eta = 1 }]'),
        "axes.arm[1]: 'a' is there already, at [0]. Remove one",
    ),
    Wrong(
        "two labels for one thing",
        axes('arm = [{ label = "plain" }, { label = "eta 0", eta = 0 }]'),
        "axes.arm[1]: 'eta 0' sets the same as [0], 'plain'. Remove one",
    ),
    Wrong(
        "levels that set nothing",
        axes('arm = [{ label = "a" }, { label = "b" }]'),
        "axes.arm: no level sets anything. Write { label = ..., scheduler = ... }",
    ),
    Wrong(
        "a label that is no text",
        axes("arm = [{ label = 1, eta = 0 }]"),
        'axes.arm[0].label: must be text in quotes. Write label = "..."',
    ),
    Wrong(
        "an axis named like a column",
        axes('seconds = [{ label = "a", eta = 0 }, { label = "b", eta = 1 }]'),
        "axes.seconds: 'seconds' is a column of every result. Choose another name for this axis",
    ),
    # --- words ---
    Wrong(
        "a word without an axis",
        NAME + 'prompts = ["an owl and a {animal}"]\n' + PATTERN,
        "prompts: {animal} in 'an owl and a {animal}' has no axis."
        ' Write animal = ["...", "..."] under [axes], or {{animal}} for the braces themselves',
    ),
    Wrong(
        "a prompt without the word",
        NAME + 'prompts = ["a {animal}", "a rose"]\n' + PATTERN + '[axes]\nanimal = ["cat", "dog"]\n',
        "axes.animal: 'a rose' does not hold {animal}, so its images would be the same in every cell."
        " Every prompt must hold it; put the others into a study of their own",
    ),
    Wrong(
        "a number as a word",
        NAME + 'prompts = ["{n} owls"]\n' + PATTERN + "[axes]\nn = [2, 3]\n",
        "axes.n[0]: must be text in quotes, since it is a word of the prompts, not a number (2)",
    ),
    Wrong(
        "a word named like a setting",
        NAME + 'prompts = ["an {eta} owl"]\n' + PATTERN + "[axes]\neta = [0, 1]\n",
        "axes.eta: is a setting of engine 'pattern' and a {eta} in a prompt too. Rename the word",
    ),
    Wrong(
        "two ways to one text",
        NAME + 'prompts = ["{a}{b}"]\n' + PATTERN + '[axes]\na = ["x", "xy"]\nb = ["yz", "z"]\n',
        "prompts: 'xyz' comes from '{a}{b}' and from '{a}{b}' in another cell."
        " Change a word or a prompt, so that all texts differ",
    ),
    # --- exclusions ---
    Wrong(
        "an exclusion of no axis",
        axes("cfg = [1, 3]") + "[[exclude]]\neta = 0\n",
        "exclude[0]: 'eta' is no axis. Axes: guidance_scale",
    ),
    Wrong(
        "an exclusion of no level",
        axes("cfg = [1, 3]") + "[[exclude]]\ncfg = 2\n",
        "exclude[0].cfg: 2 is no level of this axis. Levels: 1, 3",
    ),
    Wrong(
        "an empty exclusion",
        axes("cfg = [1, 3]") + "[[exclude]]\n",
        "exclude[0]: is empty and would leave out everything. Name an axis and a value",
    ),
    Wrong(
        "everything excluded",
        axes("cfg = [1, 3]") + "[[exclude]]\ncfg = [1, 3]\n",
        "exclude: leaves nothing. Exclude less",
    ),
    Wrong(
        "a level excluded everywhere",
        axes("cfg = [1, 3]\neta = [0, 1]") + "[[exclude]]\ncfg = 3\n",
        "exclude: guidance_scale 3 is left out everywhere. Remove it from axes.guidance_scale instead",
    ),
    # --- question, budget, metrics, trackers ---
    Wrong(
        "a metric misspelled",
        HEAD + '[question]\nmetrics = ["sharpnes"]\n',
        "question.metrics[0]: unknown metric 'sharpnes'. Did you mean 'sharpness'?",
    ),
    Wrong(
        "a metric twice",
        HEAD + '[question]\nmetrics = ["sharpness", "sharpness"]\n',
        "question.metrics[1]: 'sharpness' is there already. Remove one",
    ),
    Wrong(
        "no margin",
        HEAD + "[question]\nmargin = 0\n",
        "question.margin: 0 must be above 0 and finite",
    ),
    Wrong(
        "a margin of no metric",
        HEAD + '[question]\nmetrics = ["sharpness"]\nmargin = { sharpnes = 1 }\n',
        "question.margin.sharpnes: is not among question.metrics. Did you mean 'sharpness'?",
    ),
    Wrong(
        "a budget without a unit",
        HEAD + '[question]\nbudget = "4"\n',
        'question.budget: \'4\' is no budget. Write "4s", "50 calls" or "0.02 USD"',
    ),
    Wrong(
        "an hour for nothing",
        HEAD + "[question]\nprice_an_hour = 0\n",
        "question.price_an_hour: 0 must be above 0 and finite",
    ),
    Wrong(
        "a scope that is none",
        HEAD + '[question]\nscope = "these prompt"\n',
        "question.scope: 'these prompt' is no scope. Did you mean 'these prompts'? Known: these prompts,"
        " prompts like these, both",
    ),
    Wrong(
        "a reference that is no table",
        HEAD + "[axes]\nsteps = [2, 8]\n[question]\nreference = 8\n",
        "question.reference: must be a table, not a number. Write reference = { num_inference_steps = 50 }",
    ),
    Wrong(
        "several references",
        HEAD + "[axes]\nsteps = [2, 8]\n[question]\nreference = [{ steps = 2 }, { steps = 8 }]\n",
        "question.reference: must be a table, not a list. Write reference = { num_inference_steps = 50 }",
    ),
    Wrong(
        "a reference of an axis that is not there",
        HEAD + "[axes]\nsteps = [2, 8]\n[question]\nreference = { num_inference_step = 8 }\n",
        "question.reference: 'num_inference_step' is no axis. Did you mean 'num_inference_steps'?"
        " Axes: num_inference_steps",
    ),
    Wrong(
        "a reference at a level that is not there",
        HEAD + "[axes]\nsteps = [2, 8]\n[question]\nreference = { steps = 9 }\n",
        "question.reference.steps: 9 is no level of this axis. Levels: 2, 8",
    ),
    Wrong(
        "a reference of two levels",
        HEAD + "[axes]\nsteps = [2, 8]\n[question]\nreference = { steps = [2, 8] }\n",
        "question.reference.num_inference_steps: names several levels, and a picture is compared with one. Keep one",
    ),
    Wrong(
        "a reference that names nothing",
        HEAD + "[axes]\nsteps = [2, 8]\n[question]\nreference = {}\n",
        "question.reference: is empty. Name an axis and a value",
    ),
    Wrong(
        "a reference beside which there is no other level",
        HEAD + "[axes]\nsteps = [8]\n[question]\nreference = { steps = 8 }\n",
        "question.reference.num_inference_steps: is the only level of its axis, so nothing is compared with it."
        " Add a level",
    ),
    Wrong(
        "a reference that is left out wherever it could be compared",
        HEAD + "[axes]\nsteps = [2, 8]\ncfg = [1, 7]\n[question]\nreference = { steps = 8 }\n"
        "[[exclude]]\nsteps = 8\ncfg = 1\n[[exclude]]\nsteps = 2\ncfg = 7\n",
        "question.reference: is compared with nothing, because of what is left out. Exclude less, or name another cell",
    ),
    Wrong(
        "a metric of pairs that is called like an axis",
        HEAD + '[axes]\nlevel = [{ label = "a", steps = 2 }, { label = "b", steps = 8 }]\n[question]\n'
        'metrics = ["level"]\nreference = { level = "b" }\n',
        "question.metrics[0]: level is the name of an axis, too, and a table has one column of a name. Rename the axis",
    ),
    Wrong(
        "a metric without the reference that it needs",
        HEAD + '[axes]\nsteps = [2, 8]\n[question]\nmetrics = ["sharpness", "psnr"]\n',
        "question.metrics[1]: psnr compares pictures with those of a reference, and question.reference names none."
        " Write, for example, reference = { num_inference_steps = 8 }",
    ),
    Wrong(
        "something known to be bad that is no axis",
        HEAD + "[axes]\nsteps = [2, 8]\n[question]\nknown_bad = { num_inference_step = 2 }\n",
        "question.known_bad: 'num_inference_step' is no axis. Did you mean 'num_inference_steps'?"
        " Axes: num_inference_steps",
    ),
    Wrong(
        "something known to be bad that is no level",
        HEAD + "[axes]\nsteps = [2, 8]\n[question]\nknown_bad = [{ steps = 2 }, { steps = [2, 3] }]\n",
        "question.known_bad[1].steps: 3 is no level of this axis. Levels: 2, 8",
    ),
    Wrong(
        "nothing that is known to be bad",
        HEAD + "[axes]\nsteps = [2, 8]\n[question]\nknown_bad = {}\n",
        "question.known_bad: is empty. Name an axis and a value",
    ),
    Wrong(
        "levels known to be bad without their axis",
        HEAD + "[axes]\nsteps = [2, 8]\n[question]\nknown_bad = [2]\n",
        "question.known_bad[0]: must be a table, not a number. Write known_bad = { num_inference_steps = 2 }",
    ),
    Wrong(
        "all levels known to be bad",
        HEAD + "[axes]\nsteps = [2, 8]\n[question]\nknown_bad = { steps = [2, 8] }\n",
        "question.known_bad.num_inference_steps: names every level, so none is left to compare with. Keep a good one",
    ),
    Wrong(
        "all levels known to be bad in turn",
        HEAD + "[axes]\nsteps = [2, 8]\n[question]\nknown_bad = [{ steps = 2 }, { steps = 8 }]\n",
        "question.known_bad: names every level of num_inference_steps, so none is left to compare with. Keep a good"
        " one",
    ),
    Wrong(
        "a question misspelled",
        HEAD + "[question]\nmargins = 1\n",
        "question: unknown key 'margins'. Did you mean 'margin'?",
    ),
    Wrong(
        "options of a metric that is not asked for",
        HEAD + "[metrics.sharpness]\n",
        "metrics.sharpness: is not among question.metrics. Add it there or remove it here",
    ),
    Wrong(
        "an option that the metric does not have",
        HEAD + '[question]\nmetrics = ["sharpness"]\n[metrics.sharpness]\nx = 1\n',
        "metrics.sharpness: metric 'sharpness' has no option 'x'. Options: none",
    ),
    Wrong(
        "a tracker misspelled",
        HEAD + "[trackers.progres]\n",
        "trackers.progres: unknown tracker. Did you mean 'progress'?",
    ),
    Wrong(
        "an option that the tracker does not have",
        HEAD + "[trackers.wandb]\nprojct = 'x'\n",
        "trackers.wandb: tracker 'wandb' has no option 'projct'. Did you mean 'project'?",
    ),
    Wrong(
        "an option of a tracker out of bounds",
        HEAD + "[trackers.wandb]\nside = 1\n",
        "trackers.wandb.side: 1 is below 16, the least side of tracker 'wandb'",
    ),
    # --- secrets and addresses ---
    Wrong(
        "a secret key",
        HEAD + '[settings]\nnegative_prompt = "sk-abcdefghij0123456789"\n',
        "settings.negative_prompt: holds what looks like a secret key. Remove it here and revoke it if the file was"
        " shared; keys belong in the environment or in your own configuration as env:NAME",
    ),
    Wrong(
        "a token in a prompt",
        NAME + 'prompts = ["an owl hf_abcdefghijklmnop1234567890"]\n' + PATTERN,
        "prompts[0]: holds what looks like a secret key. Remove it here and revoke it if the file was"
        " shared; keys belong in the environment or in your own configuration as env:NAME",
    ),
    Wrong(
        "a password of an engine",
        HEAD + 'api_key = "secret"\n',
        "engine.api_key: secrets never stand in a study file. Set the provider's environment variable,"
        " or write env:NAME in your own configuration",
    ),
    Wrong(
        "an endpoint of an engine",
        HEAD + 'base_url = "localhost"\n',
        "engine.base_url: addresses never stand in a study file. Write it in your own configuration",
    ),
    Wrong(
        "an address as a value",
        HEAD + 'fail = "http://127.0.0.1:7860"\n',
        "engine.fail: is an address. Addresses belong in your own configuration, not in a study that is shared",
    ),
]
