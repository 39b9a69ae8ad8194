"""What an import understood and what not, for people and programs: a short table, never a picture's whole text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from teststrip.analysis.sentences.phrases import count
from teststrip.imports import Understood
from teststrip.records import NONE, Value
from teststrip.study.values import label
from teststrip.verbs import sources
from teststrip.verbs.importing import Import

WIDE: Final = 48
FEW: Final = 8


def lines(found: Import, *, whole: bool) -> Iterator[str]:
    """What was understood, for people.

    Args:
        found: the import.
        whole: whether the study file is shown, too.
    """
    source = found.source
    tools = Counter(one.said.tool or "no words of a tool" for one in source.pictures)
    yield f"{sources.told(source)} in {source.folder.name or source.folder}: " + ", ".join(
        f"{n} {tool}" for tool, n in tools.most_common()
    )
    if len(tools) > 1:
        yield from (
            "",
            *_table(["tool", "pictures", "with prompt", "with seed", "settings", "not understood"], _tools(found)),
        )
    if source.tables:
        yield f"{', '.join(source.tables)} beside them wins over what the pictures say"
    yield from ("", *_table(["setting", "said by", "values", "is"], _settings(found)))
    if unread := _unread(found):
        yield from ("", *_table(["not understood", "in", "for example", "because"], unread))
    if remarks := Counter(remark for one in source.pictures for remark in one.said.remarks):
        yield from ("", *(f"{count(n, 'picture')}: {remark}" for remark, n in remarks.most_common(FEW)))
    yield from _left_out(found)
    if found.study is None:
        yield from ("", "Nothing to study: no picture says what it was made with.")
        return
    yield from ("", *_design(found))
    if whole:
        yield from ("", *_shortened(found.text.rstrip("\n").split("\n")))


def as_json(found: Import) -> dict[str, object]:
    """What was understood, for programs."""
    source, design = found.source, found.design
    return {
        "pictures": [
            {
                "name": one.shown,
                "file": one.file,
                "tool": one.said.tool,
                "prompt": one.said.prompt,
                "seed": one.said.seed,
                "settings": dict(one.said.settings),
                "not_understood": [{"key": u.key, "value": u.value, "why": u.why} for u in one.said.unread],
                "remarks": list(one.said.remarks),
            }
            for one in source.pictures
        ],
        "unreadable": [{"name": name, "why": why} for name, why in source.unreadable],
        "left_out": [{"name": name, "why": why} for name, why in design.left_out],
        "axes": [factor.name for factor in design.factors],
        "constants": dict(design.constants),
        "by_prompt": list(design.by_prompt),
        "noise": list(design.noise),
        "replicates": design.replicates,
        "paired_seeds": design.paired,
        "missing": missing(found),
        "study": found.text,
    }


def missing(found: Import) -> int:
    """The number of places of the design that have no picture."""
    if found.study is None:
        return 0
    design = found.design
    cells = {tuple(factor.level(one.picture.said.settings) for factor in design.factors) for one in design.placed}
    return len(cells) * len(design.prompts) * design.replicates - len(design.placed)


def _tools(found: Import) -> list[list[str]]:
    """A row a tool: how many pictures it made, and how much of what it wrote was understood."""
    by_tool: dict[str, list[Understood]] = {}
    for one in found.source.pictures:
        by_tool.setdefault(one.said.tool, []).append(one.said)
    return [
        [
            tool or "no words of a tool",
            str(len(own)),
            str(sum(bool(one.prompt) for one in own)),
            str(sum(bool(one.seed) for one in own)),
            str(len({name for one in own for name in one.settings})),
            str(len({unread.key for one in own for unread in one.unread})),
        ]
        for tool, own in sorted(by_tool.items(), key=lambda item: -len(item[1]))
    ]


def _shortened(text: Sequence[str]) -> Iterator[str]:
    """The lines of a study file, of many prompts and of many combinations left out the first ones alone."""
    prompts = [n for n, line in enumerate(text) if line.startswith("  { text = ")]
    rules = [n for n, line in enumerate(text) if line == "[[exclude]]"]
    last = text.index("[question]") if "[question]" in text else len(text)
    for n, line in enumerate(text):
        if len(prompts) > FEW and prompts[FEW - 1] <= n <= prompts[-1]:
            if n == prompts[-1]:
                yield f"  # … and {len(prompts) - FEW + 1:,} more"
        elif len(rules) > FEW and rules[FEW - 1] <= n < last:
            if n == rules[FEW - 1]:
                yield f"# … and {len(rules) - FEW + 1:,} more [[exclude]]"
                yield ""
        else:
            yield line


def _settings(found: Import) -> list[list[str]]:
    """A row a setting: how many pictures say it, its values, and what it becomes."""
    design = found.design
    role = {name: f"axis {one.name}" if one.name != name else "axis" for one in design.factors for name in one.names}
    role |= dict.fromkeys(design.constants, "fixed")
    role |= dict.fromkeys(design.by_prompt, "of the prompt: it changes with that alone")
    role |= dict.fromkeys(design.noise, "no axis: it differs in nearly every picture")
    said = Counter(name for one in found.source.pictures for name in one.said.settings)
    values: dict[str, dict[Value, None]] = {}
    for placed in design.placed:
        for name, value in placed.picture.said.settings.items():
            values.setdefault(name, {})[value] = None
    order = ["axis", "of", "no", "fixed"]
    rows = [
        [name, str(said[name]), _few(list(values[name])), role.get(name, "not said by all")]
        for name in dict.fromkeys([*values, *said])
        if name in values
    ]
    rows.sort(key=lambda row: order.index(row[3].split()[0]) if row[3].split()[0] in order else len(order))
    prompts, seeds = len(design.prompts), len({one.said.seed for one in found.source.pictures if one.said.seed})
    with_seed = sum(bool(one.said.seed) for one in found.source.pictures)
    with_prompt = sum(bool(one.said.prompt) for one in found.source.pictures)
    return [
        ["prompt", str(with_prompt), _cut(" | ".join(design.prompts[:3])), count(prompts, "block")],
        [
            "seed",
            str(with_seed),
            count(seeds, "seed"),
            "paired: the settings share them" if design.paired else "not paired",
        ],
        *rows,
    ]


def _few(values: Sequence[Value]) -> str:
    shown = sorted(
        values, key=lambda value: (isinstance(value, str), value if not isinstance(value, str) else 0, str(value))
    )
    words = [label(value) if value != NONE else "(not said)" for value in shown[:FEW]]
    return _cut(", ".join(words) + (f", … ({len(values)})" if len(values) > FEW else ""))


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns as wide as their widest cell; numbers to the right, all else to the left."""
    columns = list(zip(heads, *rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    right = [all(cell.isdigit() for cell in column[1:]) for column in columns]

    def line(cells: Sequence[str]) -> str:
        padded = (
            cell.rjust(width) if is_number else cell.ljust(width)
            for cell, width, is_number in zip(cells, widths, right, strict=True)
        )
        return "  " + "   ".join(padded).rstrip()

    return [line(heads), "  " + "   ".join("─" * width for width in widths), *map(line, rows)]


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= WIDE else f"{text[: WIDE - 1]}…"


def _unread(found: Import) -> list[list[str]]:
    first: dict[str, tuple[str, str]] = {}
    times: Counter[str] = Counter()
    for one in found.source.pictures:
        for unread in one.said.unread:
            first.setdefault(unread.key, (unread.value, unread.why))
            times[unread.key] += 1
    return [[_cut(key), str(n), _cut(first[key][0]), first[key][1]] for key, n in times.most_common(20)]


def _left_out(found: Import) -> Iterator[str]:
    for title, names in (("not readable", found.source.unreadable), ("left out", found.design.left_out)):
        reasons: dict[str, list[str]] = {}
        for name, why in names:
            reasons.setdefault("it is a copy of another one" if why.startswith("it is a copy of") else why, []).append(
                name
            )
        for why, own in reasons.items():
            more = ", …" if len(own) > 2 else ""
            yield f"{count(len(own), 'picture')} {title}, because {why}: {', '.join(map(_cut, own[:2]))}{more}"
    if found.source.missing:
        yield f"{count(len(found.source.missing), 'row')} of a table without a picture: {_cut(found.source.missing[0])}"


def _design(found: Import) -> Iterator[str]:
    design = found.design
    levels: Mapping[str, int] = {factor.name: len(factor.levels) for factor in design.factors}
    axes = " × ".join(f"{name} {n}" for name, n in levels.items()) or "one setting"
    yield f"Study: {axes} × {count(len(design.prompts), 'prompt')} × {count(design.replicates, 'replicate')}"
    if lacking := missing(found):
        yield f"{count(lacking, 'place')} of it without a picture; they count as missing, not as bad"
    yield from design.remarks
    if not design.factors:
        yield "No prompt was drawn with two settings, so there is nothing to compare. --axis NAME makes an axis"
