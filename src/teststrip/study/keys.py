"""Which keys a study file has: one table that the check, the JSON Schema and the reference in the docs all read.

To add a key, write one line here and the code that reads the key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from teststrip.records import BUDGET


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a table.

    Attributes:
        name: as a study file spells it.
        kind: what the value is, in words, for the reference.
        doc: one or two sentences.
        schema: JSON Schema of the value.
        required: whether the key must be there.
    """

    name: str
    kind: str
    doc: str
    schema: Mapping[str, object]
    required: bool = False


TEXT: Mapping[str, object] = {"type": "string", "minLength": 1}
NUMBER: Mapping[str, object] = {"type": "number"}
WHOLE: Mapping[str, object] = {"type": "integer"}
SCALAR: Mapping[str, object] = {"type": ["string", "number", "boolean"]}
NAME_PATTERN = "[a-z0-9][a-z0-9._-]{0,63}"
ID_PATTERN = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}"


OPTIONS: Mapping[str, object] = {"type": "object", "minProperties": 1, "additionalProperties": SCALAR}
"""Options of a setting by name, as TOML reads `scheduler.shift = 3`."""


def _list(items: Mapping[str, object]) -> dict[str, object]:
    return {"type": "array", "items": items, "minItems": 1}


LEVELS: Mapping[str, object] = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": {
        "anyOf": [SCALAR, _list(SCALAR), {"type": "object", "additionalProperties": {"anyOf": [SCALAR, _list(SCALAR)]}}]
    },
}
"""A table that names axes, and a value or several of each."""


def _ref(name: str) -> dict[str, object]:
    return {"$ref": f"#/definitions/{name}"}


STUDY = (
    Key(
        "name",
        "text",
        "Names the folder, `runs/NAME`. Small letters, digits, `.`, `_`, `-`; at most 64.",
        {"type": "string", "pattern": f"^{NAME_PATTERN}$"},
        required=True,
    ),
    Key(
        "prompts",
        "list of texts or prompt tables, or a prompt file",
        "What to draw; every prompt is seen under every cell. A place `{word}` is filled by the axis of that name;"
        " `{{word}}` stands for the braces themselves.",
        {"anyOf": [_list({"anyOf": [TEXT, _ref("prompt")]}), _ref("prompt_file")]},
        required=True,
    ),
    Key(
        "replicates",
        "whole number, 1",
        "Images for each prompt in each cell. Their seeds are equal in all cells and different for each prompt.",
        {"type": "integer", "minimum": 1, "maximum": 1_000_000},
    ),
    Key(
        "seeds",
        "list of whole numbers, or a range",
        "Instead of `replicates`: these seeds, the same for all prompts. Intervals become too narrow by it;"
        " `plan` warns.",
        {"anyOf": [_list({"type": "integer", "minimum": 0, "maximum": 2**32 - 1}), _ref("range")]},
    ),
    Key("engine", "table", "What makes the images. Left out: Diffusers with the embedded model.", _ref("engine")),
    Key(
        "engines",
        "tables by name",
        'Several systems to compare, `[engines.NAME]` each, with an axis `engine = ["NAME", ...]`.',
        {"type": "object", "minProperties": 1, "additionalProperties": _ref("engine")},
    ),
    Key(
        "settings",
        "table",
        "Settings held fixed in every cell, by Diffusers' names. `teststrip engines` lists them. Options of the"
        " scheduler stand behind a dot: `scheduler.shift = 3`.",
        {"type": "object", "additionalProperties": {"anyOf": [SCALAR, OPTIONS]}},
    ),
    Key(
        "schedules",
        "tables by name",
        "Lists of the steps, `[schedules.NAME]` each, for the setting `schedule`. Diffusers' own have names already,"
        " `ays` among them; `own` is the model's way to space a number of steps.",
        {"type": "object", "minProperties": 1, "additionalProperties": _ref("schedule")},
    ),
    Key(
        "loras",
        "tables by name",
        "LoRA files by name, `[loras.NAME]` each, for the setting `lora`: one name, or a stack of several,"
        ' `lora = "hyper + detail 0.5"`; `none` is none of them.',
        {"type": "object", "minProperties": 1, "additionalProperties": _ref("lora")},
    ),
    Key(
        "textual_inversions",
        "tables by name",
        "Textual inversions by name, `[textual_inversions.NAME]` each, for the setting `textual_inversion`.",
        {"type": "object", "minProperties": 1, "additionalProperties": _ref("textual_inversion")},
    ),
    Key(
        "axes",
        "table",
        "What is varied. Every setting of the engine can be an axis, and every option that can change a picture; any"
        " number of axes.",
        {
            "type": "object",
            "additionalProperties": {"anyOf": [_ref("axis"), {"type": "object", "additionalProperties": _ref("axis")}]},
        },
    ),
    Key(
        "exclude",
        "list of tables",
        "Combinations left out. In one table every key must match; a list matches any of its values."
        " Values are an axis' values or labels.",
        _list(LEVELS),
    ),
    Key("question", "table", "What the study wants to know, written down before there is data.", _ref("question")),
    Key("budget", "table", "The most that the study may cost, where a service is paid.", _ref("budget")),
    Key(
        "metrics",
        "tables by name",
        "Options of a metric, `[metrics.NAME]`; `teststrip metrics` lists them.",
        {"type": "object", "additionalProperties": {"type": "object", "additionalProperties": SCALAR}},
    ),
    Key(
        "trackers",
        "tables by name",
        "Who else hears of the run, `[trackers.NAME]` each, with that tracker's options.",
        {"type": "object", "additionalProperties": {"type": "object"}},
    ),
)

PROMPT = (
    Key("text", "text", "What to draw.", TEXT, required=True),
    Key(
        "id",
        "text",
        "Short and unique; reports and files use it. Left out: made from the text.",
        {"type": "string", "pattern": f"^{ID_PATTERN}$"},
    ),
    Key("tags", "list of texts", "Free labels to filter by.", {"type": "array", "items": TEXT}),
    Key(
        "image",
        "text",
        "A picture to begin with (image to image), or to edit: a PNG, JPEG or WebP beside the study file or below it."
        " Every prompt has one, or none has. The pipeline that goes with the model and the pictures is taken.",
        TEXT,
    ),
    Key("mask", "text", "White where the `image` is to be painted anew (inpainting).", TEXT),
    Key("control_image", "text", "What a ControlNet follows: edges, depth, a pose. Goes with `controlnet`.", TEXT),
    Key("ip_adapter_image", "text", "What an IP-Adapter looks at. Goes with `ip_adapter`.", TEXT),
)

PROMPT_FILE = (
    Key(
        "file",
        "text",
        "Beside the study file or below it: `.txt` (a prompt a line), `.csv` or `.tsv` (columns `text`, `id`, `tags`"
        " with `;` between tags), `.json` or `.jsonl` (texts or prompt tables). Columns as public lists call them are"
        " known, too: `Prompt`, `caption`, `Category`, ...; `plan` says which were read. UTF-8.",
        TEXT,
        required=True,
    ),
    Key("column", "text", "The column of the texts, where none of its names says so.", TEXT),
    Key(
        "pictures",
        "true or false, true",
        "Whether columns `image`, `mask`, `control_image` and `ip_adapter_image` are pictures for the model.",
        {"type": "boolean"},
    ),
)

RANGE = (
    Key("from", "number", "The first value.", NUMBER, required=True),
    Key("to", "number", "The last value.", NUMBER, required=True),
    Key(
        "count", "whole number", "How many values, evenly spaced.", {"type": "integer", "minimum": 2, "maximum": 10_000}
    ),
    Key("step", "number", "Or the distance between values.", {"type": "number", "exclusiveMinimum": 0}),
)

ENGINE = (
    Key(
        "name",
        "text",
        "An installed engine. Left out: `diffusers`, or in `[engines.craiyon]` the one of that name.",
        TEXT,
    ),
    Key("model", "text", 'For Diffusers: "emoji" (embedded), a folder, a .safetensors file or a hub id.', TEXT),
    Key("revision", "text", "For a hub id: branch, tag or commit.", TEXT),
)

SCHEDULE = (
    Key(
        "timesteps",
        "list of numbers",
        "Training times at which the model is called, falling: `[999, 850, 736]`. Not every scheduler takes them.",
        _list(NUMBER),
    ),
    Key("sigmas", "list of numbers", "Noise levels instead, falling. Some schedulers end with 0.", _list(NUMBER)),
)

LORA_FILE = (
    Key("file", "text", "A `.safetensors` file that adapts the model.", TEXT, required=True),
    Key(
        "scale",
        "number, 1",
        "How strongly it adapts where the setting gives no number behind the name.",
        {"type": "number", "minimum": -10, "maximum": 10},
    ),
)

TEXTUAL_INVERSION = (
    Key("file", "text", "A `.safetensors` file of vectors for a new word.", TEXT, required=True),
    Key(
        "token",
        "text",
        "The word in prompts that stands for it. Left out: the word in the file, else the name of the file.",
        TEXT,
    ),
)

QUESTION = (
    Key(
        "metrics",
        "list of texts",
        "What to measure, most interesting first. `teststrip metrics` lists them.",
        {"type": "array", "items": TEXT, "uniqueItems": True},
    ),
    Key(
        "margin",
        "number, 0.2, or table of numbers by metric",
        "The smallest difference that matters: in within-prompt standard deviations over seeds, or for each metric in"
        " its own units.",
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0},
                {
                    "type": "object",
                    "minProperties": 1,
                    "additionalProperties": {"type": "number", "exclusiveMinimum": 0},
                },
            ]
        },
    ),
    Key(
        "budget",
        "text",
        'What an image may cost when settings are recommended: "4s", "50 calls" (of the denoiser) or "0.02 USD".',
        {"type": "string", "pattern": f"^{BUDGET}$"},
    ),
    Key(
        "price_an_hour",
        "number",
        "What an hour of this machine costs, in the budget's currency: an image then costs its share of it.",
        {"type": "number", "exclusiveMinimum": 0},
    ),
    Key(
        "scope",
        'text, "both"',
        'What the answers are about: `"these prompts"`, where seeds are the evidence (at least two a prompt);'
        ' `"prompts like these"`, where prompts are (at least six); or `"both"`.',
        {"enum": ["these prompts", "prompts like these", "both"]},
    ),
    Key(
        "known_bad",
        "table, or list of tables",
        "Levels of your axes whose pictures are known to be bad, to test each score on: `{ num_inference_steps = 2 }`,"
        " `{ guidance_scale = [20, 30] }`, or several axes in one table where only the combination is bad. A score that"
        " cannot tell them from a good level recommends nothing. Left out: 3 steps or fewer, and guidance of 30 or"
        " more, unless the name of a model, a LoRA or a scheduler says that it is made for that (turbo, lightning,"
        " LCM, Flux Fill). `[]`: nothing is known to be bad.",
        {"anyOf": [LEVELS, {"type": "array", "items": LEVELS}]},
    ),
    Key(
        "reference",
        "table",
        'Levels of your axes that name one cell: `{ num_inference_steps = 50 }`, `{ engine = "bf16" }`. The metrics'
        " `psnr`, `ssim`, `changed`, `level` and `features` compare each picture with that cell's picture of the same"
        " prompt and seed, at the same level of the axes left out. A `margin` of such a metric is what counts as the"
        " same picture: so far at most, or so many decibels at least.",
        {"type": "object", "minProperties": 1, "additionalProperties": {"anyOf": [SCALAR, OPTIONS]}},
    ),
)

MONEY = (
    Key(
        "money",
        "text",
        'The most that all images of the folder may cost together: "5.00 USD". Nothing is sent that could exceed it.',
        {"type": "string", "pattern": "^[0-9]+(\\.[0-9]+)? ?[A-Z]{3}$"},
        required=True,
    ),
)

TABLES: Mapping[str, tuple[Key, ...]] = {
    "study": STUDY,
    "prompt": PROMPT,
    "prompt_file": PROMPT_FILE,
    "range": RANGE,
    "engine": ENGINE,
    "schedule": SCHEDULE,
    "lora": LORA_FILE,
    "textual_inversion": TEXTUAL_INVERSION,
    "question": QUESTION,
    "budget": MONEY,
}
