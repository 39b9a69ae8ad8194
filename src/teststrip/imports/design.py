"""The design that pictures have: what varies is an axis, prompts are blocks, seeds or places in a job are replicates.

Nothing becomes an axis out of noise: what never varies is a constant, what changes with the prompt alone belongs to
the prompt, and a word of a tool that differs in nearly every picture is a time or a name. Axes that always change
together are one axis, because no verdict could tell them apart. Knows records; no file and no study.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from teststrip.imports.notes import KINDS, NEGATIVE, SCHEDULER, SPACING
from teststrip.imports.understood import Understood
from teststrip.records import NONE, Value

TOOL: Final = "tool"
CORE: Final = frozenset({*KINDS, SCHEDULER, "model", "width", "height"}) - {"strength", "eta", "clip_skip"}
"""Settings that every picture has, so one that does not say them is of an unknown place in the design."""
KNOWN: Final = frozenset({*CORE, *KINDS, NEGATIVE, SPACING, TOOL, "lora", "lora_scale"})
_LAST_LAYER: Final[Mapping[str, Value]] = {"clip_skip": 0}
DEFAULTS: Final[Mapping[str, Mapping[str, Value]]] = {
    **dict.fromkeys(("A1111", "Forge", "SD.Next", "Civitai"), _LAST_LAYER),
    "Midjourney": {
        "stylize": 100,
        "chaos": 0,
        "weird": 0,
        "exp": 0,
        "quality": 1,
        "image_weight": 1,
        "style_weight": 100,
        "stop": 100,
        "aspect_ratio": "1:1",
        "raw": False,
        "tile": False,
        "draft": False,
        "hd": False,
    },
}
"""What a tool means where it says nothing, for settings that it says elsewhere."""
UNPAIRED: Final = frozenset({"Midjourney"})
"""Tools whose seeds give similar pictures only."""
FEW: Final = 8
"""So many values of a tool's own word may always be levels; more must come back in other pictures."""
MOST_CELLS: Final = 4096
MOST_LEVELS: Final = 500
WHOLE: Final = "whole settings"
"""The one axis of pictures that vary in so many ways that their combinations are rather a list."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of the source.

    Attributes:
        name: for people: where it lies in the source.
        file: its name in the folder of the import.
        pixels: digest of its pixels.
        said: what was understood of it.
        width: in pixels; 0 = unknown.
        height: in pixels; 0 = unknown.
    """

    name: str
    file: str
    pixels: str
    said: Understood
    width: int = 0
    height: int = 0

    @property
    def shown(self) -> str:
        """The name as it may be shown: Midjourney's own begins with the name of its user."""
        if self.said.tool not in UNPAIRED:
            return self.name
        place = "" if self.said.index is None else f"_{self.said.index}"
        return f"{self.said.job or self.file[:12]}{place}"


@dataclass(frozen=True, slots=True)
class Factor:
    """An axis.

    Attributes:
        name: of the axis.
        names: the settings that its levels set.
        levels: the values of those settings, in order.
    """

    name: str
    names: tuple[str, ...]
    levels: tuple[tuple[Value, ...], ...]

    def level(self, settings: Mapping[str, Value]) -> tuple[Value, ...]:
        """The level that a picture has."""
        return tuple(settings[name] for name in self.names)


@dataclass(frozen=True, slots=True)
class Placed:
    """A picture and its place in the design.

    Attributes:
        picture: with all settings that the design has filled in.
        replicate: from 0.
        own: its seed where that is a number that a study can have; else None.
    """

    picture: Picture
    replicate: int
    own: int | None


@dataclass(frozen=True, slots=True)
class Design:
    """What pictures can be compared by.

    Attributes:
        factors: the axes.
        constants: settings that all pictures have alike.
        by_prompt: settings that change with the prompt alone.
        noise: words of tools that differ in nearly every picture.
        prompts: texts, in the order in which they were met.
        replicates: pictures of a prompt in a cell, at most.
        seeds: those that all prompts share; None = each prompt has its own.
        paired: whether the cells of a prompt share their seeds.
        placed: the pictures of the study.
        left_out: names of pictures, and why each is no part of the study.
        remarks: sentences about the design.
    """

    factors: tuple[Factor, ...] = ()
    constants: Mapping[str, Value] = field(default_factory=dict)
    by_prompt: tuple[str, ...] = ()
    noise: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    replicates: int = 1
    seeds: tuple[int, ...] | None = None
    paired: bool = False
    placed: tuple[Placed, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    remarks: tuple[str, ...] = ()


def of(pictures: Sequence[Picture], forced: Collection[str] = ()) -> Design:
    """The design of pictures.

    Args:
        pictures: in the order of their names.
        forced: settings that are axes wherever they vary at all.
    """
    left_out: list[tuple[str, str]] = []
    kept = _filled(_once(pictures, left_out), left_out)
    if not kept:
        return Design(left_out=tuple(left_out))
    values = {name: list(dict.fromkeys(one.said.settings[name] for one in kept)) for name in kept[0].said.settings}
    constants = {name: found[0] for name, found in values.items() if len(found) == 1 and found[0] != NONE}
    varying = [name for name, found in values.items() if len(found) > 1]
    by_prompt = [name for name in varying if name not in forced and not _within_prompts(kept, name)]
    noise = [name for name in varying if name not in forced and name not in by_prompt and _is_noise(kept, name, values)]
    axes = [name for name in varying if name not in by_prompt and name not in noise]
    factors = _fitting(kept, _merged(kept, _grouped(kept, axes)))
    design = Design(
        factors=factors,
        constants=constants,
        by_prompt=tuple(by_prompt),
        noise=tuple(noise),
        prompts=tuple(dict.fromkeys(one.said.prompt for one in kept)),
        left_out=tuple(left_out),
    )
    return _numbered(design, kept)


def _once(pictures: Sequence[Picture], left_out: list[tuple[str, str]]) -> list[Picture]:
    """The pictures with a prompt, copies once. A copy that lost its words is one of the picture that has them."""
    first: dict[object, str] = {}
    known = {one.pixels: one.shown for one in reversed(pictures) if one.said.prompt}
    kept = []
    for one in sorted(pictures, key=lambda one: one.said.index is None):  # the original, whose name says its place
        key = (one.pixels, one.said.prompt, tuple(sorted(one.said.settings.items(), key=str)))
        if why := sheet(one):
            left_out.append((one.shown, why))
        elif not one.said.prompt and one.pixels in known:
            left_out.append((one.shown, f"it is a copy of {known[one.pixels]}"))
        elif not one.said.prompt:
            why = next((unread.why for unread in one.said.unread if unread.key == "prompt"), "it says no prompt")
            left_out.append((one.shown, why))
        elif key in first:
            left_out.append((one.shown, f"it is a copy of {first[key]}"))
        else:
            first[key] = one.shown
            kept.append(one)
    return kept


def sheet(picture: Picture) -> str:
    """Why a picture is a sheet of several, which A1111 saves with the words of the first one; "" where it is none.

    A sheet of as many columns as rows is as large as an upscaled picture, so its name must say it, too.
    """
    said = picture.said.settings
    if {"x_type", "y_type"} & said.keys():
        return "it is a sheet of several pictures, an X/Y/Z plot"
    width, height = said.get("width"), said.get("height")
    if not isinstance(width, int) or not isinstance(height, int) or not width or not height or not picture.width:
        return ""
    across, down = picture.width / width, picture.height / height
    whole = across.is_integer() and down.is_integer() and across * down > 1
    named = picture.name.rpartition("/")[2].lower().startswith("grid")
    return "it is a sheet of several pictures, by its size" if whole and (across != down or named) else ""


def _filled(pictures: Sequence[Picture], left_out: list[tuple[str, str]]) -> list[Picture]:
    """The pictures, each with a value of every setting that any of them says; "none" where a tool does not say it."""
    tools = {one.said.tool for one in pictures}
    saying: dict[str, set[str]] = defaultdict(set)
    for one in pictures:
        for name in one.said.settings:
            saying[name].add(one.said.tool)
    kinds = _kinds(pictures)
    kept = []
    for one in pictures:
        said, tool = one.said.settings, one.said.tool
        if lost := sorted(name for name in CORE & saying.keys() if name not in said and tool in saying[name]):
            left_out.append((one.shown, f"it does not say its {lost[0]}, which others of {tool} say"))
            continue
        default = {NEGATIVE: "", **DEFAULTS.get(tool, {})}
        settings = {name: kinds[name](said[name]) if name in said else default.get(name, NONE) for name in saying}
        if len(tools) > 1:
            settings[TOOL] = tool
        kept.append(replace(one, said=replace(one.said, settings=settings)))
    return kept


def _kinds(pictures: Iterable[Picture]) -> dict[str, Callable[[Value], Value]]:
    """The kind of each setting: of numbers the wider one, else text."""
    kinds: dict[str, set[type]] = defaultdict(set)
    for one in pictures:
        for name, value in one.said.settings.items():
            kinds[name].add(type(value))
    return {name: _kind(found) for name, found in kinds.items()}


def _kind(kinds: set[type]) -> Callable[[Value], Value]:
    if len(kinds) == 1:
        return lambda value: value
    return float if kinds == {int, float} else _as_text  # type: ignore[return-value]


def _as_text(value: Value) -> Value:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def _within_prompts(pictures: Sequence[Picture], name: str) -> bool:
    """Whether a setting varies between pictures of one prompt."""
    first: dict[str, Value] = {}
    return any(
        first.setdefault(one.said.prompt, one.said.settings[name]) != one.said.settings[name] for one in pictures
    )


def _is_noise(pictures: Sequence[Picture], name: str, values: Mapping[str, Sequence[Value]]) -> bool:
    return name not in KNOWN and len(values[name]) > max(FEW, len(pictures) // 2)


def _grouped(pictures: Sequence[Picture], names: Sequence[str]) -> list[Factor]:
    """An axis for each setting; the parts of a sampler are one, and so are width and height where both vary."""
    groups: dict[str, list[str]] = {}
    for name in names:
        of_sampler = name.partition(".")[0] in (SCHEDULER, SPACING)
        groups.setdefault("sampler" if of_sampler else "size" if name in ("width", "height") else name, []).append(name)
    return [_factor(pictures, title if len(own) > 1 else own[0], own) for title, own in groups.items()]


def _factor(pictures: Sequence[Picture], name: str, names: Sequence[str]) -> Factor:
    found = dict.fromkeys(tuple(one.said.settings[part] for part in names) for one in pictures)
    return Factor(name, tuple(names), tuple(sorted(found, key=lambda level: [_order(value) for value in level])))


def _order(value: Value) -> tuple[int, float, str]:
    """Numbers by size, then texts; "none" first."""
    if value == NONE:
        return 0, 0.0, ""
    if isinstance(value, int | float):
        return 1, float(value), ""
    return 2, 0.0, str(value)


def _merged(pictures: Sequence[Picture], factors: Sequence[Factor]) -> list[Factor]:
    """The axes, those that always change together as one."""
    merged: list[Factor] = []
    for factor in factors:
        for n, other in enumerate(merged):
            pairs = {(factor.level(one.said.settings), other.level(one.said.settings)) for one in pictures}
            if len(pairs) == len(factor.levels) == len(other.levels):
                title = f"{other.name} and {factor.name}"
                merged[n] = _factor(pictures, title[:64].rstrip(), (*other.names, *factor.names))
                break
        else:
            merged.append(factor)
    return merged


def _fitting(pictures: Sequence[Picture], factors: Sequence[Factor]) -> tuple[Factor, ...]:
    """The axes; one axis of whole settings where pictures have far fewer combinations than the axes would."""
    cells = 1
    for factor in factors:
        cells *= len(factor.levels)
    combinations = {tuple(factor.level(one.said.settings) for factor in factors) for one in pictures}
    if cells <= MOST_CELLS and cells <= 8 * len(combinations):
        return tuple(factors)
    return (_factor(pictures, WHOLE, [name for factor in factors for name in factor.names]),)


def _numbered(design: Design, pictures: Sequence[Picture]) -> Design:
    """The design with replicates: by seed where the cells of a prompt share seeds, else by job and place in it."""
    cell = {one.file: tuple(factor.level(one.said.settings) for factor in design.factors) for one in pictures}
    if not _shares_seeds(pictures, cell):
        groups = _by(pictures, lambda one: (cell[one.file], one.said.prompt))
        ordered = [
            sorted(own, key=lambda one: (one.said.job, -1 if one.said.index is None else one.said.index, one.name))
            for own in groups.values()
        ]
        placed = [Placed(one, n, None) for own in ordered for n, one in enumerate(own)]
        return replace(design, placed=tuple(placed), replicates=max(map(len, ordered)))
    keys = _keys(pictures, cell)
    of_prompt: dict[str, set[tuple[int, int]]] = defaultdict(set)
    for one in pictures:
        of_prompt[one.said.prompt].add(keys[one.file])
    together = sorted(set().union(*of_prompt.values()))
    most = max(map(len, of_prompt.values()))
    remarks = _batch_remark(keys)
    if len(together) <= 2 * most or len(of_prompt) == 1:  # all prompts have mostly the same seeds
        numbers = [seed for seed, _ in together]
        fit = len({*numbers}) == len(numbers) and all(0 <= seed < 2**32 for seed in numbers)
        seeds = tuple(numbers) if fit else tuple(range(len(together)))
        rank = {key: n for n, key in enumerate(together)}
        placed = [Placed(one, rank[keys[one.file]], seeds[rank[keys[one.file]]]) for one in pictures]
        replicates = len(together)
    else:
        ranks = {prompt: {key: n for n, key in enumerate(sorted(own))} for prompt, own in of_prompt.items()}
        placed = [Placed(one, ranks[one.said.prompt][keys[one.file]], None) for one in pictures]
        seeds, replicates = None, most
    return replace(design, placed=tuple(placed), replicates=replicates, seeds=seeds, paired=True, remarks=remarks)


def _shares_seeds(pictures: Sequence[Picture], cell: Mapping[str, object]) -> bool:
    """Whether most pictures have a seed that their prompt has in another cell, too. Seed -1 means any."""
    if any(one.said.seed in ("", "-1") or one.said.tool in UNPAIRED for one in pictures):
        return False
    cells: dict[object, set[object]] = defaultdict(set)
    for one in pictures:
        cells[one.said.prompt, one.said.seed].add(cell[one.file])
    partners = sum(len(cells[one.said.prompt, one.said.seed]) > 1 for one in pictures)
    return 2 * partners > len(pictures)


def _keys(pictures: Sequence[Picture], cell: Mapping[str, object]) -> dict[str, tuple[int, int]]:
    """The seed of each picture, and its place among those of its cell that have the same one: a batch has one seed."""
    met: Counter[object] = Counter()
    keys = {}
    for one in pictures:
        place = (cell[one.file], one.said.prompt, one.said.seed)
        keys[one.file] = (int(one.said.seed), met[place])
        met[place] += 1
    return keys


def _batch_remark(keys: Mapping[str, tuple[int, int]]) -> tuple[str, ...]:
    if not any(place for _, place in keys.values()):
        return ()
    return ("several pictures of one setting share a seed, as a batch does: they are told apart by the order of names",)


def _by(pictures: Iterable[Picture], key: Callable[[Picture], object]) -> dict[object, list[Picture]]:
    groups: dict[object, list[Picture]] = defaultdict(list)
    for one in pictures:
        groups[key(one)].append(one)
    return groups
