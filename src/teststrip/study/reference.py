"""Makes of `keys` what readers and editors use: the page in the docs, the JSON Schema, the file of `init`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import resources

from teststrip import plugins
from teststrip.errors import TeststripError
from teststrip.records import NONE, Setting
from teststrip.study.engines import DEFAULT
from teststrip.study.keys import OPTIONS, SCALAR, TABLES, TEXT, Key
from teststrip.vocabulary import SYNONYMS

DRAFT = "http://json-schema.org/draft-07/schema#"  # the newest draft that TOML editors (Taplo) read

SCHEMA_FILE = "study.schema.json"
"""The name of the schema beside the study files that `init` writes; their first line names it."""


def template() -> str:
    """A commented study file to start from."""
    return resources.files("teststrip.study").joinpath("template.toml").read_text(encoding="utf-8")


def schema() -> dict[str, object]:
    """JSON Schema of a study file. It holds the settings of all installed engines, for editors to complete."""
    definitions = {
        name: _object(keys, closed=name not in ("engine", "study")) for name, keys in TABLES.items() if name != "study"
    }
    definitions["level"] = {
        "type": "object",
        "minProperties": 1,
        "properties": {"label": TEXT},
        "additionalProperties": {"anyOf": [SCALAR, OPTIONS]},
    }
    definitions["axis"] = {
        "anyOf": [
            {"type": "array", "items": SCALAR, "minItems": 1},
            {"type": "array", "items": {"$ref": "#/definitions/level"}, "minItems": 1},
            {"$ref": "#/definitions/range"},
        ]
    }
    definitions["range"] = {
        **definitions["range"],
        "oneOf": [{"required": ["count"]}, {"required": ["step"]}],
    }
    study = _object(TABLES["study"], closed=True)
    return {
        "$schema": DRAFT,
        "title": "Teststrip study",
        **study,
        "not": {"anyOf": [{"required": ["replicates", "seeds"]}, {"required": ["engine", "engines"]}]},
        "allOf": list(_for_engines()),
        "definitions": definitions,
    }


def _object(keys: tuple[Key, ...], *, closed: bool) -> dict[str, object]:
    return {
        "type": "object",
        "properties": {key.name: {**key.schema, "description": key.doc} for key in keys},
        "required": [key.name for key in keys if key.required],
        **({"additionalProperties": False} if closed else {}),
    }


def _for_engines() -> Iterator[dict[str, object]]:
    """For each installed engine, a rule on its settings and options in studies that name this engine alone."""
    for name in plugins.installed("engines"):
        try:
            kind = plugins.load("engines", name)
            knobs = dict(kind().settings)
        except TeststripError:
            continue  # an engine that is not installed here has nothing to complete
        values = {key: _setting(knob) for key, knob in knobs.items() if key not in ("prompt", "seed")}
        values |= {old: values[new] for old, new in SYNONYMS.items() if new in values and old not in values}
        options = {key: _setting(option) for key, option in kind.options.items()}
        varied = {key: _axis(one) for key, one in options.items() if key not in kind.operation}
        yield {
            "if": {"not": {"required": ["engines"]}, **_names(name)},
            "then": {
                "properties": {
                    "engine": {
                        "properties": {"name": TEXT, **options, **_nested(values)},
                        "additionalProperties": False,
                    },
                    "settings": {"properties": _nested(values), "additionalProperties": False},
                    "axes": {"properties": varied | _nested({key: _axis(value) for key, value in values.items()})},
                }
            },
        }


def _nested(values: Mapping[str, Mapping[str, object]]) -> dict[str, Mapping[str, object]]:
    """The values by name, where a name that others continue behind a dot may also be a table of these."""
    found = dict(values)
    for name in {name.partition(".")[0] for name in values if "." in name}:
        options = {key.partition(".")[2]: value for key, value in values.items() if key.startswith(f"{name}.")}
        inner = {"type": "object", "properties": options, "additionalProperties": False}
        for head in {name, *(old for old, new in SYNONYMS.items() if new == name)} & values.keys():
            found[head] = {"anyOf": [values[head], inner]}
    return found


def _names(engine: str) -> dict[str, object]:
    """A condition on `[engine] name`: it is this engine, or it is absent and this engine is the default."""
    said = {"properties": {"name": {"const": engine}}, **({} if engine == DEFAULT else {"required": ["name"]})}
    return {"properties": {"engine": said}, **({} if engine == DEFAULT else {"required": ["engine"]})}


def _axis(value: Mapping[str, object]) -> dict[str, object]:
    linked = {"type": "array", "items": {"$ref": "#/definitions/level"}}
    return {"anyOf": [{"type": "array", "items": value, "uniqueItems": True}, linked, {"$ref": "#/definitions/range"}]}


def _setting(setting: Setting) -> dict[str, object]:
    kinds = {"float": "number", "int": "integer", "str": "string", "bool": "boolean"}
    found: dict[str, object] = {"type": kinds[setting.kind], "description": setting.doc}
    if setting.low is not None:
        found["minimum"] = setting.low
    if setting.high is not None:
        found["maximum"] = setting.high
    words = [*setting.choices, *([NONE] if setting.optional else [])]
    if words and setting.kind != "str":  # a number or a switch, or one of these words
        return {"anyOf": [found, {"enum": words}], "description": found.pop("description")}
    if setting.choices:
        found["enum"] = words
    return found


HEAD = """\
# The study file

<!-- Generated by `python -m teststrip.study`; change src/teststrip/study/keys.py or template.toml instead. -->

A [TOML](https://toml.io) file: what to draw, what to vary, what to measure. `teststrip init` writes this one:

```toml
{template}```

Mistakes are told with place and remedy, and nothing is made before a study is free of them. Indices count from 0:
`axes.guidance_scale[2]` is the third value.
"""

TITLES = {
    "study": ("Top of the file", ""),
    "prompt": ("A prompt table", "An entry of `prompts` may be a text or such a table."),
    "prompt_file": ("A prompt file", '`prompts = { file = "prompts.txt" }`'),
    "engine": (
        "`[engine]` and `[engines.NAME]`",
        "All options and settings of the engine may stand here; under `[engines.NAME]`, for that engine alone.",
    ),
    "schedule": ("`[schedules.NAME]`", 'Used by the setting `schedule = "NAME"`, which is an axis as others are.'),
    "lora": (
        "`[loras.NAME]`",
        'Used by the setting `lora`: "NAME", or a stack, "NAME + OTHER 0.5". A file may stand in the place of a name.',
    ),
    "textual_inversion": (
        "`[textual_inversions.NAME]`",
        'Used by the setting `textual_inversion = "NAME"`, or several as "NAME + OTHER".',
    ),
    "range": ("A range", "Instead of a list of values, in `axes` and `seeds`. Both ends belong to it."),
    "question": ("`[question]`", ""),
    "budget": ("`[budget]`", "What an image may cost when settings are recommended is `budget` under `[question]`."),
}

TAIL = """\
## Axes

| an axis may be | written | one level is |
|---|---|---|
| a setting of the engine | `guidance_scale = [6, 7, 8, 9]` | a value |
| a range of a setting | `guidance_scale = {{ from = 1, to = 12, count = 5 }}` | a value |
| linked settings, any name | `sampler = [{{ label = "DDIM", scheduler = "DDIMScheduler" }}]` | a label, settings |
| an option of the engine | `dtype = ["float32", "bfloat16"]` | a value |
| options of the scheduler | `scheduler.shift = [1, 3, 6]` | a value |
| samplers by popular names | `sampler = ["DPM++ 2M Karras", "Euler a"]` | a class and its options |
| LoRAs, with and without | `lora = ["none", "hyper", "hyper + detail 0.5"]` with `[loras.hyper]`, ... | files, scales |
| a word of the prompts | `animal = ["pussycat", "cat"]` with `{{animal}}` in every prompt | a text |
| the engine | `engine = ["sd15", "sdxl"]` with `[engines.sd15]`, `[engines.sdxl]` | a system |

What a linked level leaves out keeps the engine's default. A setting is fixed, or belongs to one axis, or stands in the
table of an engine: never two of them. A study has at most 1,000,000 cells and 10,000,000 images.

Options of the engine that can change a picture may be axes, also in linked levels beside settings:
`format = [{{ label = "half", dtype = "float16" }}, {{ label = "full", dtype = "float32" }}]`. The pictures are those of
a study with `[engine] dtype = "float16"`, and have the same ids. `teststrip engines NAME` says which options may be
axes. Each combination of options loads the model anew and gives its memory back before the next one loads, so a run
makes all pictures of one combination before any of the next. A page that grows, and a run that is stopped, therefore
lack the last combinations as a whole; `--limit` takes pictures of all of them.

Options of the scheduler are those of the class that is used; `teststrip engines diffusers` lists all. Where a table has
a `scheduler`, TOML wants the option in quotes, `"scheduler.shift" = [1, 3]`; beside a `sampler` it does not.

`"none"` says None, where a setting is no text: `clip_skip = ["none", 1]`. Where the model's own default is a number,
None is another thing than leaving the setting out: `intermediate_timesteps = "none"`, for one step of Sana Sprint.

## Names of other tools

{synonyms} are read as Diffusers' names. An axis whose levels are tables keeps the name it has.

## `--set KEY=VALUE`

Changes any key for one run: `--set replicates=2`, `--set axes.guidance_scale=[1,2]`, `--set question.margin=0.5`,
`--set 'exclude[0].guidance_scale=9'`. VALUE is TOML; quotes around simple words may be left out
(`--set axes.scheduler=[DDIMScheduler,PNDMScheduler]`). Nothing after the `=` removes the key: `--set exclude=`.

## What may not stand here

Keys, tokens and passwords (they belong in the environment, or as `env:NAME` in your own configuration), and addresses
of servers. A study is made to be shared.

## From Python

The same keys: `teststrip.Study(name="demo", prompts=["an owl"], replicates=4, axes={{"guidance_scale": [1, 3, 7]}})`.
None is `None`; for a text it means that the setting is left out.
"""


def reference() -> str:
    """The page `docs/study-file.md`."""
    parts = [HEAD.format(template=template())]
    for name, (title, text) in TITLES.items():
        lines = [f"## {title}\n"] + ([text + "\n"] if text else []) + ["| key | is | meaning |", "|---|---|---|"]
        for key in TABLES[name]:
            required = " **Required.**" if key.required else ""
            lines.append(f"| `{key.name}` | {key.kind} | {key.doc}{required} |".replace("\n", " "))
        parts.append("\n".join(lines) + "\n")
    synonyms = ", ".join(f"`{old}` (`{new}`)" for old, new in SYNONYMS.items())
    parts.append(TAIL.format(synonyms=synonyms))
    return "\n".join(parts)
