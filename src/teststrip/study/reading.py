"""Reads a checked `Study` from a file, a dict or keyword arguments, part by part."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from teststrip.errors import StudyError, shortened
from teststrip.records import Axis, Study, Value
from teststrip.study import agreement, overrides, pictures, secrets
from teststrip.study.axes import Context, read_axes, read_exclusions, read_settings
from teststrip.study.engines import ONLY, Known, read_engines
from teststrip.study.keys import NAME_PATTERN, RANGE, STUDY
from teststrip.study.money import read_money
from teststrip.study.place import Place, kind_of, shown
from teststrip.study.prompts import portable, read_prompts, words
from teststrip.study.question import read_metric_options, read_question, read_trackers
from teststrip.study.schedules import SETTING as SCHEDULE
from teststrip.study.schedules import read_schedules
from teststrip.study.stacks import read_named
from teststrip.study.tables import check_keys, table
from teststrip.study.values import spread
from teststrip.vocabulary import SYNONYMS

LARGEST_FILE = 2**20  # bytes; a study of 100,000 prompts names a prompt file instead
MOST_REPLICATES = 1_000_000


def read(path: str | Path, overriding: Sequence[str] = ()) -> Study:
    """The study of a TOML file.

    Args:
        path: of the file; prompt files lie beside it or below.
        overriding: `KEY=VALUE` each, as after `--set`.

    Raises:
        StudyError: the file says something wrong; the message says where, what, and the remedy.
        UsageError: an override is not KEY=VALUE.
    """
    path = Path(path)
    data = _toml(path)
    changed = overrides.apply(data, overriding)
    return _judged(data, Place(path.name, overridden=changed), path.parent)


def reopen(path: str | Path, overriding: Sequence[str] = ()) -> Study:
    """The study of a file that has run before, read without asking the engine whether it could run again.

    A study folder that was mailed therefore opens on a machine without the model.

    Args:
        path: as in `read`.
        overriding: as in `read`.
    """
    path = Path(path)
    data = _toml(path)
    changed = overrides.apply(data, overriding)
    return _study(data, Place(path.name, overridden=changed), path.parent)[0]


def parse(data: Mapping[str, object], *, place: str, folder: Path) -> Study:
    """The study of a dict that is built like the file; `place` is the name of the study in messages."""
    return _judged(_plain(data), Place(place), folder)


def study(**keys: object) -> Study:
    """The study of keyword arguments, named as the keys of the study file.

    Prompt files lie in the current folder or below. Tuples, ranges and NumPy arrays are lists here.

    >>> demo = study(name="demo", prompts=["an owl"], engine={"name": "pattern"}, axes={"guidance_scale": [1, 3]})
    >>> demo.axes[0].labels
    ('1', '3')
    """
    return parse(keys, place="Study", folder=Path.cwd())


def _toml(path: Path) -> dict[str, object]:
    name = path.name or str(path)
    try:
        if not path.is_file():
            raise StudyError(f"{path}: no such file. Write one with: teststrip init {path}")
        with path.open("rb") as file:
            raw = file.read(LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        raise StudyError(f"{path}: cannot be read: {error}") from None
    if len(raw) > LARGEST_FILE:
        raise StudyError(
            f'{name}: is larger than 1 MB. Move the prompts to a file: prompts = {{ file = "prompts.txt" }}'
        )
    try:
        return tomllib.loads(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise StudyError(f"{name}: line {line} is not UTF-8. Save the file as UTF-8") from None
    except RecursionError:
        raise StudyError(f"{name}: is nested too deeply") from None
    except ValueError as error:
        dotted = re.search(rb"^\s*(scheduler|guider)\.", raw, re.M)
        of = dotted[1].decode() if dotted else ""
        raise StudyError(f"{name}: {_syntax(str(error), of)}") from None


def _syntax(message: str, options_of: str = "") -> str:
    """The message of `tomllib`, with the place first.

    Args:
        message: of the library.
        options_of: what the file names options of, which are keys with a dot: "scheduler".

    >>> _syntax("Invalid value (at line 3, column 5)")
    'line 3, column 5: not valid TOML: invalid value'
    """
    match = re.fullmatch(r"(.*) \(at (line \d+, column \d+|end of document)\)", message, re.DOTALL)
    if match is None:
        # Python's reader has one other error: it limits the digits of a whole number.
        return (
            "not valid TOML: a number has too many digits"
            if "digits" in message
            else f"not valid TOML: {shortened(message)}"
        )
    what = shortened(match[1][:1].lower() + match[1][1:])
    remedy = ""
    if options_of and ("overwrite" in what or "immutable" in what):
        example = {"guider": '"guider.eta" = 0', "scheduler": '"scheduler.shift" = 3'}[options_of]
        remedy = f". Beside a {options_of} write its options in quotes: {example}"
    elif "overwrite" in what or "twice" in what:
        remedy = ". Is a key written twice?"
    elif "\\" in what or "hex value" in what.lower():
        remedy = r". Put a Windows path into single quotes: 'C:\models\sd15'"
    return f"{match[2]}: not valid TOML: {what}{remedy}"


def _plain(value: object, depth: int = 0) -> object:
    """The value in TOML's own kinds: dicts, lists, texts, numbers."""
    if depth > 2 * secrets.DEEPEST:
        return value  # `secrets.refuse` refuses it and knows the place
    if isinstance(value, Mapping):
        return {key: _plain(inner, depth + 1) for key, inner in value.items() if inner is not None or depth}
    if isinstance(value, list | tuple | range):
        return [_plain(inner, depth + 1) for inner in value]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):  # NumPy's arrays and scalars
        return value.tolist()
    return value


def _judged(raw: object, place: Place, folder: Path) -> Study:
    checked, engines = _study(raw, place, folder)
    pictures.check_here(checked, place)
    agreement.check_with_engine(checked, engines, place)
    return checked


def _study(raw: object, place: Place, folder: Path) -> tuple[Study, dict[str, Known]]:
    data = table(raw, place)
    secrets.refuse(data, place)
    _check_top(data, place)
    name = _name(data["name"], place / "name")
    prompts, source = read_prompts(data["prompts"], place / "prompts", folder)
    seeds = _seeds(data["seeds"], place / "seeds") if "seeds" in data else None
    if seeds and "replicates" in data:
        raise (place / "seeds").error("replicates is there too. Keep one of them")
    replicates = len(seeds) if seeds else _replicates(data.get("replicates", 1), place / "replicates")
    named = read_named(data, place)
    engines = read_engines(data, place, named, folder)
    lists = read_schedules(data.get("schedules", {}), place / "schedules")
    context = Context(engines, frozenset(word for prompt in prompts for word in words(prompt.text)), lists)
    axes = read_axes(data.get("axes", {}), place / "axes", context)
    settings = read_settings(data.get("settings", {}), place / "settings", context)
    if len(engines) == 1 and not any(axis.kind == "engine" for axis in axes):
        only = next(iter(engines.values()))
        for setting in only.settings:
            if setting in settings:
                raise (only.place / setting).error(f"settings.{setting} is there too. Keep one of them")
        settings |= only.settings
        engines = {ONLY: only}
    _check_used(lists, axes, settings, place / "schedules")
    named.check_used(place)
    question = read_question(data.get("question", {}), place / "question", axes)
    checked = Study(
        name=name,
        prompts=prompts,
        prompt_file=source,
        replicates=replicates,
        seeds=seeds,
        engines={alias: known.ref for alias, known in engines.items()},
        axes=axes,
        settings=settings,
        exclusions=read_exclusions(data["exclude"], place / "exclude", axes) if "exclude" in data else (),
        question=question,
        metric_options=read_metric_options(data.get("metrics", {}), place / "metrics", question.metrics),
        trackers=read_trackers(data.get("trackers", {}), place / "trackers"),
        money=read_money(data["budget"], place / "budget") if "budget" in data else None,
    )
    agreement.check(checked, engines, place)
    return checked, engines


def _check_used(
    schedules: Mapping[str, str], axes: Sequence[Axis], settings: Mapping[str, Value], place: Place
) -> None:
    used = {settings.get(SCHEDULE), *(level.settings.get(SCHEDULE) for axis in axes for level in axis.levels)}
    for name, word in schedules.items():
        if word not in used:
            raise (place / name).error(f'nothing uses it. Write schedule = "{name}" under [settings] or [axes]')


def _check_top(data: Mapping[str, object], place: Place) -> None:
    for key in data:
        if key in SYNONYMS or key in SYNONYMS.values():
            raise place.error(
                f"unknown key {shown(key)}. Write it under [settings] to hold it fixed, or under [axes] to vary it"
            )
    if "name" not in data:
        stem = re.sub(r"[^a-z0-9]+", "-", place.file.lower().removesuffix(".toml")).strip("-") or "demo"
        raise place.error(f'name is missing. Write name = "{stem}"')
    if "prompts" not in data:
        raise place.error('prompts is missing. Write prompts = ["an owl", "a rose"]')
    check_keys(data, STUDY, place)


def _name(value: object, place: Place) -> str:
    if not isinstance(value, str):
        raise place.error(f"must be text in quotes, not {kind_of(value)} ({shown(value)})")
    if not re.fullmatch(NAME_PATTERN, value):
        raise place.error(
            f"{shown(value)} must be 1 to 64 small letters, digits, '.', '_' or '-', beginning with a letter or digit"
        )
    return portable(value, place)


def _replicates(value: object, place: Place) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise place.error(f"must be a whole number, not {kind_of(value)} ({shown(value)})")
    if not 1 <= value <= MOST_REPLICATES:
        raise place.error(f"{shown(value)} must be from 1 to {MOST_REPLICATES:,}")
    return value


def _seeds(value: object, place: Place) -> tuple[int, ...]:
    if isinstance(value, Mapping):
        check_keys(table(value, place), RANGE, place)
        value = spread(value, place)
    if not isinstance(value, list):
        raise place.error(f"must be a list of whole numbers, not {kind_of(value)}. Write seeds = [1, 2, 3]")
    if not value:
        raise place.error("is empty. Give at least one seed, or write replicates = 6 instead")
    for i, seed in enumerate(value):
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise (place / i).error(f"must be a whole number, not {kind_of(seed)} ({shown(seed)})")
        if not 0 <= seed < 2**32:
            raise (place / i).error(
                f"{shown(seed)} must be from 0 to 4294967295, because seeds have 32 bits here. Which seeds a study has"
                " does not matter, as long as all settings share them: take any"
            )
    if len(set(value)) < len(value):
        twice = next(seed for i, seed in enumerate(value) if seed in value[:i])
        raise place.error(f"{twice} is there twice. Remove one")
    return tuple(value)
