"""Pictures that exist already become a study: its folder is written, and every other verb reads it like any other.

The source is read, a design is found in it, and a study of the engine `folder` is made. The pictures' bytes go into
`imported/` as they came; `run` then takes them from there, so that an import is stopped and goes on like a run.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Final

from teststrip import plugins
from teststrip import study as studies
from teststrip.errors import StoreError, StudyError, UsageError, among
from teststrip.folder import IMPORTED, STUDY_FILE
from teststrip.imports import index
from teststrip.imports.design import TOOL, Design, Factor, Placed, of
from teststrip.imports.index import Index, Kept
from teststrip.imports.notes import KEYS, SCHEDULER, SPACING, own_name, squeezed
from teststrip.plan import seeds_of
from teststrip.records import NONE, Axis, Cell, EngineRef, Level, Prompt, Question, Study, Value
from teststrip.store import inside
from teststrip.study.place import Place
from teststrip.study.prompts import DEVICE, WORD, read_prompts
from teststrip.study.values import label
from teststrip.verbs import sources
from teststrip.verbs.outcome import Outcome
from teststrip.verbs.run import drive
from teststrip.verbs.sources import Source
from teststrip.vocabulary import sampler

ENGINE: Final = "folder"
METRICS: Final = ("sharpness", "contrast", "colourfulness")
"""Scores that need no weights. They describe pictures; those that judge are named with --metric."""
MOST_PLACES: Final = 1_000_000
_OPTIONS: Final = {"use_karras_sigmas": "Karras", "use_exponential_sigmas": "exponential", "use_beta_sigmas": "beta"}


@dataclass(frozen=True, slots=True)
class Import:
    """What an import would write.

    Attributes:
        source: what was read.
        design: how its pictures are compared.
        study: the study of it; None where there is nothing to study.
    """

    source: Source
    design: Design
    study: Study | None

    @property
    def text(self) -> str:
        """The study file."""
        return studies.dump(self.study) if self.study else ""


def prepare(
    source: Path,
    *,
    axes: Sequence[str] = (),
    renamed: Mapping[str, str] | None = None,
    metrics: Sequence[str] = (),
) -> Import:
    """Read pictures and find out what can be compared. Writes nothing.

    Args:
        source: a folder, or a picture.
        axes: settings that are axes wherever they vary, besides those that are found.
        renamed: words of tools, and the settings that they mean.
        metrics: of the study, by default METRICS.

    Raises:
        UsageError: there are no pictures, or a setting or a score is named that there is not.
    """
    for metric in metrics:
        if metric not in (known := plugins.installed("metrics")):
            raise UsageError(f"--metric {metric}: there is no such score{among(metric, known, 'Installed')}")
    found = sources.read(source, renamed or {})
    design = of(found.pictures, _forced(axes, found))
    study = _study(design, _name(found.folder), tuple(metrics) or METRICS) if design.placed else None
    return Import(found, design, study)


def carry_out(prepared: Import, out: Path) -> Outcome:
    """Write the folder of the study: the pictures, their list, and all that a run writes. Raises as `write`."""
    return drive(write(prepared, out), out, trackers=())


def write(prepared: Import, out: Path) -> Path:
    """Write the pictures, their list and the study file into a new folder.

    Returns:
        The study file, from which `run` goes on.

    Raises:
        UsageError: no picture can be placed in a design.
        StoreError: the folder exists already, or cannot be written.
        StudyError: a study cannot hold what the pictures say; the folder is removed again.
    """
    if prepared.study is None:
        raise UsageError(
            f"{prepared.source.folder}: no picture says what it was made with. Write a CSV beside the pictures with the"
            " columns file, prompt, seed and what was varied"
        )
    _refuse(prepared.source.folder, out)
    for placed in prepared.design.placed:
        picture = placed.picture
        data = sources.bytes_of(prepared.source.folder / picture.name, picture.said)
        inside.write(out, f"{IMPORTED}/{picture.file}", data)
    inside.write(out, f"{IMPORTED}/{index.NAME}", index.written(_index(prepared.design)))
    inside.write(out, STUDY_FILE, prepared.text)
    try:
        studies.read(out / STUDY_FILE)
    except StudyError:  # a prompt that looks like a key, for example; nothing of the import is left behind
        shutil.rmtree(out)
        raise
    return out / STUDY_FILE


def _refuse(source: Path, out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise StoreError(f"{out} is there already. Name a new folder with --out")
    if out.resolve().is_relative_to(source.resolve()):
        raise UsageError(
            f"--out {out} lies in the source, which an import leaves as it is. Name a folder outside of it"
        )


def _forced(axes: Sequence[str], found: Source) -> frozenset[str]:
    known = {name for one in found.pictures for name in one.said.settings}
    forced: set[str] = set()
    for word in axes:
        name = word if word in known else KEYS.get(squeezed(word), own_name(word))
        family = {
            one for one in known if one == name or (name == SCHEDULER and one.partition(".")[0] in (name, SPACING))
        }
        family |= {"width", "height"} & known if name == "size" else set()
        if not family:
            raise UsageError(f"--axis {word}: no picture says it{among(name or word, sorted(known), 'They say')}")
        if all(len({one.said.settings.get(part) for one in found.pictures}) == 1 for part in family):
            raise UsageError(f"--axis {word}: all pictures have the same, so it is no axis")
        forced |= family
    return frozenset(forced)


def _name(folder: Path) -> str:
    """The name of the study: that of the folder, as far as a study can have it."""
    name = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower())[:48].strip("-")
    return name if name and not DEVICE.fullmatch(name) else "imported"


def escaped(text: str) -> str:
    """A prompt as a study file has it, so that what stands in braces is no place to fill.

    >>> escaped("an {animal} and {{a}}, {1girl}")
    'an {{animal}} and {{{a}}}, {1girl}'
    """
    return WORD.sub(lambda match: "{" + match[0] + "}", text)


def _study(design: Design, name: str, metrics: tuple[str, ...]) -> Study:
    axes = tuple(map(_axis, design.factors))
    prompts = _prompts(design)
    names = [axis.name for axis in axes]
    cells = [Cell(tuple(zip(names, labels, strict=True))) for labels in product(*(axis.labels for axis in axes))]
    if len(cells) * len(prompts) * design.replicates > MOST_PLACES:
        raise UsageError(
            f"{len(cells):,} settings × {len(prompts):,} prompts × {design.replicates:,} replicates are too many places"
            f" for {len(design.placed):,} pictures. Import a part of the pictures"
        )
    made = {_cell(design.factors, axes, one) for one in design.placed}
    return Study(
        name=name,
        prompts=prompts,
        replicates=design.replicates,
        seeds=design.seeds,
        engines={"engine": EngineRef(ENGINE, operation={"source": IMPORTED, "paired": design.paired})},
        axes=axes,
        settings=design.constants,
        exclusions=tuple({a: (one,) for a, one in rule} for rule in studies.rules(cells, {*cells} - made)),
        question=Question(metrics=metrics),
    )


def _prompts(design: Design) -> tuple[Prompt, ...]:
    texts = [escaped(text) for text in design.prompts]
    return read_prompts(texts, Place(STUDY_FILE) / "prompts", Path())[0]


def _cell(factors: Sequence[Factor], axes: Sequence[Axis], one: Placed) -> Cell:
    return Cell(
        tuple(
            (axis.name, axis.labels[factor.levels.index(factor.level(one.picture.said.settings))])
            for factor, axis in zip(factors, axes, strict=True)
        )
    )


def _axis(factor: Factor) -> Axis:
    if len(factor.names) == 1 and factor.name == factor.names[0]:
        levels = [Level(label(value), {factor.name: value}) for (value,) in factor.levels]
        return Axis(factor.name, "setting", tuple(levels))
    settings = [dict(zip(factor.names, level, strict=True)) for level in factor.levels]
    labels = [_spoken(_told(one, settings)) for one in settings]
    if len(set(labels)) < len(labels):
        labels = [_in_full(one) for one in settings]
    return Axis(factor.name, "linked", tuple(map(Level, labels, settings)))


def _told(level: Mapping[str, Value], levels: Sequence[Mapping[str, Value]]) -> dict[str, Value]:
    """What tells a level from others of its tool; all of it where the tool is no part of the axis."""
    alike = [one for one in levels if one.get(TOOL) == level.get(TOOL)]
    if TOOL not in level or len(alike) == len(levels):
        return dict(level)
    return {name: value for name, value in level.items() if len({one[name] for one in alike}) > 1 or name == TOOL}


def _spoken(settings: Mapping[str, Value]) -> str:
    """A combination as people say it: "DPM++ 2M Karras", "512x768", "guidance_scale 5"."""
    rest = {name: value for name, value in settings.items() if value != NONE}
    words = []
    tool = [str(rest.pop(TOOL))] if TOOL in rest else []
    if isinstance(name := rest.pop(SCHEDULER, None), str):
        words.append(sampler(name))
        if "sde" in str(rest.pop(f"{SCHEDULER}.algorithm_type", "")):
            words.append("SDE")
        words += [word for option, word in _OPTIONS.items() if rest.pop(f"{SCHEDULER}.{option}", None) is True]
        words += [str(rest.pop(SPACING))] if SPACING in rest else []
        words = [" ".join(words)]
    if {"width", "height"} <= rest.keys():
        words.append(f"{rest.pop('width')}x{rest.pop('height')}")
    return ", ".join([*tool, *words, *(f"{name} {label(value)}" for name, value in rest.items())]) or NONE


def _in_full(settings: Mapping[str, Value]) -> str:
    return ", ".join(f"{name} {label(value)}" for name, value in settings.items())


def _index(design: Design) -> Index:
    derived = {text: seeds_of(escaped(text), design.replicates) for text in design.prompts}
    kept = []
    for one in design.placed:
        said = one.picture.said
        own = derived[said.prompt][one.replicate]
        kept.append(
            Kept(
                file=one.picture.file,
                prompt=said.prompt,
                settings=said.settings,
                number=own if one.own is None else one.own,
                derived=own,
                replicate=one.replicate,
                seed=said.seed,
                tool=said.tool,
                job=said.job,
                said=said.remarks,
            )
        )
    return Index(tuple(kept), frozenset({*design.by_prompt, *design.noise}))
