"""The nouns. Frozen records, standard library only; nothing here does anything.

Say once: axis = factor, level = value of a factor, replicate = paired seed, prompt = block, cell = setting = arm.

To add a field: give it a line in its class's docstring; whoever makes the record fills it, nobody guesses it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

Value = str | int | float | bool | None
"""What a setting can be. Lists and tables are not settings."""


def canonical_json(value: object) -> str:
    """The one spelling of a value that hashes are taken of: sorted keys, no spaces, UTF-8.

    >>> canonical_json({"b": 7.0, "a": "owl"})
    '{"a":"owl","b":7.0}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest_of(value: object) -> str:
    """SHA-256 of `canonical_json(value)`, 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode("utf-8", "surrogatepass")).hexdigest()


# --- What is asked -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Setting:
    """One knob of an engine, known without loading weights.

    Attributes:
        name: as Diffusers spells it.
        kind: values are coerced to this before anything is hashed (7 and 7.0 are one guidance_scale).
        default: what an engine does when nothing is said; None = the engine's own choice.
        low, high: inclusive bounds of a number; None = unbounded.
        choices: the only words allowed; empty = any. Of a number: words allowed in its place.
        optional: None is a legal value.
        doc: one sentence for `teststrip engines`.
    """

    name: str
    kind: Literal["float", "int", "str", "bool"]
    default: Value = None
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    optional: bool = False
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A block of the design: one text, seen under every cell.

    Attributes:
        id: short and unique in the study; files and reports use it.
        text: may hold `{word}` places that an axis of words fills.
        tags: free labels to filter by.
    """

    id: str
    text: str
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Level:
    """One value of an axis: a label and the settings it sets (several when they are linked)."""

    label: str
    settings: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Axis:
    """A factor of the design.

    Attributes:
        name: a setting's name, a free name (linked), a word of the prompts, or "engine".
        kind: what a level sets: one "setting", several "linked" settings, a "word" in the prompt text, an "engine".
        levels: in the order the study gives them, at least one.
    """

    name: str
    kind: Literal["setting", "linked", "word", "engine"]
    levels: tuple[Level, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the levels, in order."""
        return tuple(level.label for level in self.levels)

    @property
    def numbers(self) -> tuple[float, ...] | None:
        """The levels as numbers, or None when this axis is not numeric."""
        values = [level.settings.get(self.name) for level in self.levels]
        if self.kind != "setting" or any(isinstance(v, bool) or not isinstance(v, int | float) for v in values):
            return None
        return tuple(float(v) for v in values if isinstance(v, int | float))


@dataclass(frozen=True, slots=True)
class EngineRef:
    """An engine by name and options: what crosses processes, since weights do not.

    Attributes:
        name: the entry point's name, for example "diffusers".
        options: those that can change a picture (`dtype`, `backend`, ...); part of a shot's identity.
        operation: those that cannot (`device`, `batch`, ...); never part of it.
    """

    name: str
    options: Mapping[str, Value] = field(default_factory=dict)
    operation: Mapping[str, Value] = field(default_factory=dict)


DEFAULT_MARGIN = 0.2
"""The smallest difference that matters where a study does not say, in within-prompt seed SD (docs/statistics.md)."""


@dataclass(frozen=True, slots=True)
class Question:
    """What the study wants to know, written down before there is data.

    Attributes:
        metrics: names of metrics, in order of interest.
        margin: the smallest difference that matters: within-prompt seed SD, or {metric: score units}.
        budget: for the recommendation, as written: "4s", "50 calls", "0.02 USD"; None = no budget.
        price_an_hour: what an hour of the machine costs, in the budget's currency; None = unknown.
    """

    metrics: tuple[str, ...] = ()
    margin: float | Mapping[str, float] = DEFAULT_MARGIN
    budget: str | None = None
    price_an_hour: float | None = None


@dataclass(frozen=True, slots=True)
class Study:
    """All that the study file says, checked. Made by `spec`, never by hand.

    Attributes:
        name: [a-z0-9][a-z0-9._-]{0,63}.
        prompts: the blocks.
        replicates: images for each prompt in each cell.
        seeds: explicit seeds shared by all prompts, or None for own seeds a prompt (the default, and the honest one).
        engines: alias to engine; one entry called "engine" unless the study compares several.
        axes: the factors; may be empty (one cell).
        settings: held fixed in every cell.
        exclusions: each maps axis names to the labels that, all together, are left out.
        question: metrics, margin, budget.
        trackers: name to options.
        metric_options: metric name to its options, `[metrics.NAME]` in the study file.
    """

    name: str
    prompts: tuple[Prompt, ...]
    replicates: int = 1
    seeds: tuple[int, ...] | None = None
    engines: Mapping[str, EngineRef] = field(default_factory=lambda: {"engine": EngineRef("diffusers")})
    axes: tuple[Axis, ...] = ()
    settings: Mapping[str, Value] = field(default_factory=dict)
    exclusions: tuple[Mapping[str, tuple[str, ...]], ...] = ()
    question: Question = field(default_factory=Question)
    trackers: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    metric_options: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)


@dataclass(frozen=True)
class Shot:
    """One picture to be made: an engine and *all* its resolved settings, prompt and seed among them."""

    engine: EngineRef
    settings: Mapping[str, Value]

    @cached_property
    def id(self) -> str:
        """What was asked, as 64 hexadecimal digits; the same on every machine."""
        asked = {
            "engine": self.engine.name,
            "options": dict(self.engine.options),
            "settings": dict(self.settings),
        }
        return digest_of(asked)

    @property
    def prompt(self) -> str:
        """The text that the model reads."""
        return str(self.settings["prompt"])

    @property
    def seed(self) -> int:
        """The seed of this one picture, 0 .. 2**32 - 1."""
        return int(self.settings["seed"] or 0)


@dataclass(frozen=True, slots=True)
class Cell:
    """A combination of levels, without prompt and seed. Hashable.

    Attributes:
        levels: (axis name, level label) in the order of the study's axes.
    """

    levels: tuple[tuple[str, str], ...]

    def __getitem__(self, axis: str) -> str:
        """The label that this cell has on an axis."""
        return dict(self.levels)[axis]

    def __str__(self) -> str:
        return ", ".join(f"{axis} {label}" for axis, label in self.levels) or "the only setting"


@dataclass(frozen=True, slots=True)
class Planned:
    """A shot and its place in the design."""

    shot: Shot
    cell: Cell
    prompt: Prompt
    replicate: int


# --- What answered -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What answered: weights, scheduler class and config, dtype, library versions.

    Attributes:
        facts: plain JSON values; two answers are comparable when all facts are equal.
    """

    facts: Mapping[str, object]

    @property
    def id(self) -> str:
        """SHA-256 of the facts."""
        return digest_of(dict(self.facts))


@dataclass(frozen=True, slots=True)
class Render:
    """A picture as an engine hands it over.

    Attributes:
        shot: what was asked.
        data: encoded bytes, exactly what will lie on disk.
        format: "png", "jpeg" or "webp".
        width, height: pixels.
        seconds: machine time of this picture; its share of a batch's time where it shared one.
        fingerprint: what answered.
        facts: denoiser_calls, rows, device and what else the engine knows; plain JSON values.
        small: a thumbnail as WebP, from an engine that has the pixels at hand; b"" = made from the file when wanted.
    """

    shot: Shot
    data: bytes
    format: str
    width: int
    height: int
    seconds: float
    fingerprint: Fingerprint
    facts: Mapping[str, object] = field(default_factory=dict)
    small: bytes = b""


Reason = Literal["refused", "oom", "nan", "blank", "timeout", "invalid", "error"]
"""Why there is no picture: content policy; memory; not finite; one colour; time; a bad request; anything else."""


@dataclass(frozen=True, slots=True)
class Failure:
    """No picture, and why. A value that travels the same road as a Render.

    Attributes:
        shot: what was asked.
        reason: the class, for tables.
        text: one line for people; no secrets, no stack trace.
        retryable: whether a later run should try again.
    """

    shot: Shot
    reason: Reason
    text: str
    retryable: bool = True


@dataclass(frozen=True, slots=True)
class Image:
    """A picture that is safe on disk.

    Attributes:
        shot_id, digest: what was asked; SHA-256 of the file.
        path: of the file, relative to the study folder, with forward slashes.
        width, height: pixels. size: bytes.
        seconds: machine time. facts: as in Render.
        fingerprint_id: what answered.
    """

    shot_id: str
    digest: str
    path: str
    width: int
    height: int
    size: int
    seconds: float
    fingerprint_id: str
    facts: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Score:
    """A number about an image, a pair or a group.

    Attributes:
        metric: its name. digests: the images it is about, sorted when order means nothing.
        value: NaN = this metric does not apply here.
        fingerprint_id: of the metric: code version, weights, options.
    """

    metric: str
    digests: tuple[str, ...]
    value: float
    fingerprint_id: str


@dataclass(frozen=True, slots=True)
class Card:
    """What one must know before believing a metric.

    Attributes:
        about: one sentence: what is measured, and how.
        low, high: the range of the value, in the metric's unit; infinite where it has no end.
        source: where the definition was published.
        failure: how it is known to mislead.
        needs: the weights it needs, in words; "" = none.
        comparable: between which pictures the value may be compared.
        rises_with: settings that move the value mechanically, whatever becomes of the picture.
    """

    about: str
    low: float
    high: float
    source: str
    failure: str
    needs: str = ""
    comparable: str = "within a prompt"
    rises_with: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One place of the design and what became of it: image, failure, or neither yet.

    Attributes:
        planned: shot, cell, prompt, replicate.
        image: the picture, if there is one.
        failure: the last failure, if there is no picture.
        scores: metric name to value; NaN does not apply; absent = not computed.
    """

    planned: Planned
    image: Image | None = None
    failure: Failure | None = None
    scores: Mapping[str, float] = field(default_factory=dict)


# --- What is concluded ---------------------------------------------------------------------------------------

Verdict = Literal["different", "equivalent", "inconclusive", "insufficient design"]


@dataclass(frozen=True, slots=True)
class MetricInfo:
    """What a conclusion has to know of a metric; plain words, so that anybody's column can have one.

    Attributes:
        name: of the column. unit: "" for a bare number.
        higher_is_better: None when neither end is good; then nothing is recommended by it.
        grouped: one value a prompt and cell (diversity), not one an image.
        paired: a distance to the same prompt and seed at the most steps (convergence), not a score of a picture.
        cost: counts what a picture took (seconds), not what it looks like.
        couples: settings that move it without better pictures ("guidance_scale" for CLIP-like scores).
        caveat: its known failure, one sentence, printed beside every finding.
    """

    name: str
    unit: str = ""
    higher_is_better: bool | None = None
    grouped: bool = False
    paired: bool = False
    cost: bool = False
    couples: tuple[str, ...] = ()
    caveat: str = ""


@dataclass(frozen=True, slots=True)
class Estimate:
    """One point of a chart: a level of an axis, or a cell.

    Attributes:
        label: of the level or cell. x: its number, or None.
        mean: over prompts, score units. low, high: 95 % interval, of differences within a prompt: to compare levels by.
        prompts, images: what it rests on.
    """

    label: str
    x: float | None
    mean: float
    low: float
    high: float
    prompts: int
    images: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """One row of a finding's table.

    Attributes:
        contrast: what is compared, in words.
        effect, low, high: score units; the interval is this contrast's own, 95 %.
        inner_low, inner_high: 90 % interval; inside the margin = equivalent (two one-sided tests at 5 %).
        p: two-sided, of this contrast alone. p_family: after the family's correction; NaN = not tested.
        prompts, images: what it rests on.
        verdict: one of four.
    """

    contrast: str
    effect: float
    low: float
    high: float
    inner_low: float
    inner_high: float
    p: float
    p_family: float
    prompts: int
    images: int
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Finding:
    """One conclusion, with its evidence.

    Attributes:
        metric: the score it is about. axis: the factor, or "" when it is about whole cells.
        contrast: what is compared, in words: "8 against 6", "linear trend".
        effect, low, high: the estimate and its interval, in score units; NaN when there is none.
        level: coverage of the interval, 0..1.
        margin: the smallest difference that matters, in score units.
        p: two-sided, after the family's correction; NaN when there is none.
        prompts, images: what it rests on.
        verdict: one of four.
        method: one line: test, correction, cross-check.
        more_prompts: about how many further prompts would settle it; 0 = settled; None = unknown.
        sentence: what a person would write.
        kind: what sort of question it answers.
        unit: of the score. seed_sd: the score's SD between seeds of one prompt, score units; NaN = unknown.
        levels: the points of its chart; of an interaction, what the first axis does at levels of the second.
        comparisons: the rows of its table.
        limits: what it does not show, a sentence each.
        design: a design that would settle it, in words; "" = settled, or unknown.
    """

    metric: str
    axis: str
    contrast: str
    effect: float
    low: float
    high: float
    level: float
    margin: float
    p: float
    prompts: int
    images: int
    verdict: Verdict
    method: str
    more_prompts: int | None = None
    sentence: str = ""
    kind: Literal["axis", "trend", "interaction", "cells", "missing", "convergence", "audit"] = "axis"
    unit: str = ""
    seed_sd: float = float("nan")
    levels: tuple[Estimate, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    limits: tuple[str, ...] = ()
    design: str = ""


# --- What trackers hear --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Started:
    """A run begins. Attributes: study; total: shots planned; done: of them with an image already; folder: where."""

    study: Study
    total: int
    done: int
    folder: str


@dataclass(frozen=True, slots=True)
class Shown:
    """An image is safe on disk. Attributes: planned: its place; image; left: shots still to make."""

    planned: Planned
    image: Image
    left: int


@dataclass(frozen=True, slots=True)
class Failed:
    """A shot failed. Attributes: planned: its place; failure; left: shots still to make."""

    planned: Planned
    failure: Failure
    left: int


@dataclass(frozen=True, slots=True)
class Scored:
    """Scores are stored. Attributes: metric; count: how many are new; note: "not computed, because ..." or ""."""

    metric: str
    count: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Concluded:
    """The run is over.

    Attributes:
        images, failures: of this run.
        findings: none when interrupted.
        interrupted: stopped by the user; scores and findings are not there yet.
        rows: the whole study as it stands now, in the order of the plan.
    """

    images: int
    failures: int
    findings: tuple[Finding, ...] = ()
    interrupted: bool = False
    rows: tuple[Row, ...] = ()


Event = Started | Shown | Failed | Scored | Concluded
