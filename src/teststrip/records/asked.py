"""What is asked: settings, prompts, axes, the study, and each shot with its place in the design."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Literal

from teststrip.records.canonical import Value, digest_of
from teststrip.records.concluded import LevelRef, Scope

NONE = "none"
"""The word for None in a study file, where a setting is no text."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of an engine, known without loading weights.

    Attributes:
        name: as Diffusers spells it.
        kind: a value is coerced to this kind before its shot is hashed (7 and 7.0 are one guidance_scale).
        default: the value where the study gives none; None = the engine's own choice.
        low, high: inclusive bounds of a number; None = unbounded.
        choices: the only words allowed, or words that may stand in a number's place; empty = any.
        optional: None is a legal value.
        doc: one sentence for `teststrip engines`.
        tells_none: None says something else than leaving the setting out, so the value `NONE` stands for it in a shot.
        is_name: the text names something (a file, a class), so that the word `NONE` means None; in other texts, such as
            a negative prompt, it is a word. A text with `choices` is always a name.
    """

    name: str
    kind: Literal["float", "int", "str", "bool"]
    default: Value = None
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    optional: bool = False
    doc: str = ""
    tells_none: bool = False
    is_name: bool = False


def by_name(*settings: Setting) -> Mapping[str, Setting]:
    """Settings by their names, as a table that cannot be changed.

    >>> list(by_name(Setting("width", "int"), Setting("height", "int")))
    ['width', 'height']
    """
    return MappingProxyType({setting.name: setting for setting in settings})


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that a prompt gives to the model. Two are equal when their use and their bytes are.

    Attributes:
        name: of the setting that it is: "image", "control_image", "mask_image" or "ip_adapter_image".
        digest: SHA-256 of the file, 64 hexadecimal digits; the value of the setting.
        path: as the study writes it.
        form: "png", "jpg" or "webp".
        width, height: in pixels.
        place: of the file on this machine; "" where the file is not here.
    """

    name: str
    digest: str
    path: str = field(default="", compare=False)
    form: str = field(default="", compare=False)
    width: int = field(default=0, compare=False)
    height: int = field(default=0, compare=False)
    place: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Prompt:
    """A block of the design: one text, and the pictures that belong to it, drawn in every cell.

    Attributes:
        id: short and unique in the study; files and reports use it.
        text: what to draw; it may hold `{word}` places that an axis of words fills.
        tags: free labels to filter by.
        pictures: what the model is given beside the text, in the order of their names.
    """

    id: str
    text: str
    tags: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()

    @property
    def label(self) -> str:
        """The text as grids and the page show it; prompts with pictures may share a text, so their id stands by it."""
        return f"{self.text} ({self.id})" if self.pictures else self.text

    @property
    def settings(self) -> dict[str, Value]:
        """The pictures as settings of a shot: names to digests."""
        return {picture.name: picture.digest for picture in self.pictures}

    @property
    def files(self) -> dict[str, str]:
        """Where the pictures lie on this machine, by their names."""
        return {picture.name: picture.place for picture in self.pictures}

    @property
    def block(self) -> str:
        """Equal for prompts that ask for the same: the text, and the pictures where there are any."""
        return "\0".join([self.text, *(f"{picture.name} {picture.digest}" for picture in self.pictures)])


@dataclass(frozen=True, slots=True)
class PromptFile:
    """Where prompts were read from.

    Attributes:
        name: of the file.
        text: the column of the texts, as the file spells it; "" where it has no columns.
        tags: the columns that became tags.
        pictures: the columns of pictures.
    """

    name: str
    text: str = ""
    tags: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Level:
    """One value of an axis: a label and what it sets (several things when they are linked).

    Attributes:
        label: unique on its axis.
        settings: of a shot.
        options: of the engine; they stand in the shot's `EngineRef`, never among its settings.
    """

    label: str
    settings: Mapping[str, Value]
    options: Mapping[str, Value] = field(default_factory=dict)

    @property
    def sets(self) -> dict[str, Value]:
        """Settings and options by name. No option has the name of a setting here."""
        return {**self.settings, **self.options}


@dataclass(frozen=True, slots=True)
class Axis:
    """A factor of the design.

    Attributes:
        name: of a setting or of an engine's option, a free name (linked), a word of the prompts, or "engine".
        kind: what a level sets: one "setting", one "option" of the engine, several of them "linked", a "word" in the
            prompt text, an "engine".
        levels: in the order the study gives them, at least one.
    """

    name: str
    kind: Literal["setting", "option", "linked", "word", "engine"]
    levels: tuple[Level, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the levels, in order."""
        return tuple(level.label for level in self.levels)

    @property
    def numbers(self) -> tuple[float, ...] | None:
        """The levels as numbers, all different; None when this axis is not numeric or two levels are one float."""
        values = [level.sets.get(self.name) for level in self.levels]
        if self.kind not in ("setting", "option") or any(
            isinstance(v, bool) or not isinstance(v, int | float) for v in values
        ):
            return None
        numbers = tuple(float(v) for v in values if isinstance(v, int | float))
        return numbers if len(set(numbers)) == len(numbers) else None

    @property
    def level_column(self) -> str:
        """The name of the column that says which level each row has, as the index of the level, from 0."""
        return f"{self.name} level"


@dataclass(frozen=True, slots=True)
class EngineRef:
    """An engine by name and options. A reference crosses processes, because weights cannot.

    Attributes:
        name: the entry point's name, for example "diffusers".
        options: options that can change a picture (`dtype`, `backend`, ...); part of a shot's identity.
        operation: options that cannot change a picture (`device`, `batch`, ...); never part of a shot's identity.
        alternates: the study varies the options of this engine, so that it may ask for many instances with the same
            weights: no two engines of one name that alternate are loaded at a time. Not a part of equality.
    """

    name: str
    options: Mapping[str, Value] = field(default_factory=dict)
    operation: Mapping[str, Value] = field(default_factory=dict)
    alternates: bool = field(default=False, compare=False)

    @property
    def key(self) -> str:
        """A text that two references share exactly when their names and all their options are equal."""
        return f"{self.name} {sorted(self.options.items())} {sorted(self.operation.items())}"


Seeds = Literal["exact", "best effort", "none"]
"""What a seed does for an engine: it gives the picture again, it mostly gives a similar one, or it does nothing."""


@dataclass(frozen=True, slots=True)
class Price:
    """What something costs.

    Attributes:
        amount: in the currency's own unit, 0.04 for four cents.
        currency: as ISO 4217 spells it, "USD".
    """

    amount: float
    currency: str


DEFAULT_MARGIN = 0.2
"""The smallest difference that matters where a study names none, in within-prompt seed SD (docs/statistics.md)."""


BUDGET = r"([0-9]+(?:\.[0-9]+)?) ?(s|calls|[A-Z]{3})"
"""How a budget is written: an amount, then seconds, calls of the denoiser or a currency."""


@dataclass(frozen=True, slots=True)
class Question:
    """What the study wants to know, written down before there is data.

    Attributes:
        metrics: names of metrics, in order of interest.
        margin: the smallest difference that matters: within-prompt seed SD, or {metric: score units}.
        budget: for the recommendation, as written: "4s", "50 calls", "0.02 USD"; None = no budget.
        price_an_hour: what an hour of the machine costs, in the budget's currency; None = unknown.
        scope: what the answers are about: the very prompts of the study, prompts of their kind, or both.
        known_bad: combinations of levels whose pictures are known to be bad, to test scores on; each names a level of
            one axis or of several. None = what is usually bad for such a model.
        reference: levels of axes that name the cell with whose pictures others are compared; on the axes left out a
            picture is compared at its own level. Empty = there is no reference.
    """

    metrics: tuple[str, ...] = ()
    margin: float | Mapping[str, float] = DEFAULT_MARGIN
    budget: str | None = None
    price_an_hour: float | None = None
    scope: Literal[Scope, "both"] = "both"
    known_bad: tuple[tuple[LevelRef, ...], ...] | None = None
    reference: tuple[LevelRef, ...] = ()


@dataclass(frozen=True, slots=True)
class Study:
    """Everything that the study file says, checked by the room `study`.

    Attributes:
        name: it matches [a-z0-9][a-z0-9._-]{0,63}.
        prompts: the blocks of the design.
        replicates: images for each prompt in each cell.
        seeds: seeds that all prompts share; None = each prompt has seeds of its own, which keeps the intervals right.
        engines: alias to engine; one entry called "engine" unless the study compares several.
        axes: the factors; may be empty (one cell).
        settings: those held fixed in every cell.
        exclusions: each maps axis names to labels; a cell that has one of them on every named axis is left out.
        question: metrics, margin and budget.
        trackers: each tracker's name to its options.
        metric_options: each metric's name to its options, `[metrics.NAME]` in the study file.
        prompt_file: where the prompts were read from; None = the study file itself.
        money: the most that all pictures of the study's folder may cost together; None = no limit.
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
    prompt_file: PromptFile | None = field(default=None, compare=False)
    money: Price | None = None

    @property
    def images_each(self) -> int:
        """Images of each prompt in each cell: one a seed."""
        return len(self.seeds) if self.seeds else self.replicates


@dataclass(frozen=True)
class Shot:
    """One picture to be made: an engine and *all* its resolved settings, prompt and seed among them.

    Attributes:
        engine: what makes the picture.
        settings: all of them; a picture that the model is given stands here as the SHA-256 of its file.
        files: where those pictures lie on this machine, by setting. Not a part of what is asked.
    """

    engine: EngineRef
    settings: Mapping[str, Value]
    files: Mapping[str, str] = field(default_factory=dict, compare=False)

    @cached_property
    def id(self) -> str:
        """What was asked, as 64 hexadecimal digits that are equal on every machine."""
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
