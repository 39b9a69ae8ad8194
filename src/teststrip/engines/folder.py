"""Engine `folder`: pictures that exist already, found by their prompt, settings and seed.

`teststrip import` puts the pictures and a list of them into a folder; this engine answers shots from it. Its settings
are what was understood of the pictures, so a study that asks for another value is told so before it runs. A place of
the design without a picture fails for good, and nothing is made. Knows the list; nothing of other tools and of studies.
"""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Final, Literal

from teststrip.errors import EngineError, PictureError, StoreError, StudyError, among
from teststrip.imports import index
from teststrip.imports.index import Index, Kept
from teststrip.pictures import decode, small
from teststrip.pictures.pixels import MAX_BYTES
from teststrip.records import NONE, Failure, Fingerprint, Render, Seeds, Setting, Shot, Value, by_name
from teststrip.store import inside
from teststrip.vocabulary import STEPS

VERSION: Final = 1
"""Raise when another picture answers a shot than before: it is the fingerprint."""
MOST_CHOICES: Final = 1000
LARGEST_LIST: Final = 512 * 2**20
_REMEDY: Final = "Name the folder `imported` that `teststrip import` wrote"


_ASKED: Final = (
    Setting("prompt", "str", doc="The text that the model read."),
    Setting("seed", "int", low=0, high=2**32 - 1, doc="Which of the pictures of a prompt and its settings."),
)


class FolderEngine:
    """Hands out pictures that exist.

    Args:
        source: the folder of the pictures and their list, from the study file on.
        paired: whether pictures of one prompt and one seed began with the same noise, so that they are compared in
            pairs.

    Raises:
        EngineError: there is no list of pictures.
    """

    options: ClassVar[Mapping[str, Setting]] = by_name(
        Setting("source", "str", "", doc="The folder of imported pictures, from the study file on."),
        Setting("paired", "bool", False, doc="A seed means the same noise in all settings; `import` finds it out."),  # noqa: FBT003
    )
    # Neither changes a picture: which one answers a shot is in its settings.
    operation: ClassVar[frozenset[str]] = frozenset(options)
    paths: ClassVar[frozenset[str]] = frozenset({"source"})
    seeds: ClassVar[Seeds] = "none"

    def __init__(self, *, source: str = "", paired: bool = False) -> None:
        self._folder = Path(source) if source else None
        self._index, self._settings = _opened(self._folder) if self._folder else (Index(), by_name(*_ASKED))
        self._unstudied = self._settings.keys() - self._index.aside - {"prompt", "seed"}
        self._paired = paired
        self._by_prompt: dict[str, list[Kept]] = defaultdict(list)
        self._numbers = frozenset(picture.number for picture in self._index.pictures)
        self._counted = self._replicates_that_count()
        for picture in self._index.pictures:
            self._by_prompt[picture.prompt].append(picture)
        self._here: dict[object, Sequence[Kept]] = {}
        self._handed: dict[object, int] = {}

    @property
    def settings(self) -> Mapping[str, Setting]:
        """What was understood of the pictures, and prompt and seed."""
        return self._settings

    @property
    def seeds_as_opened(self) -> Seeds:
        """A seed of paired pictures means the same noise; one of others only numbers them."""
        return "exact" if self._paired else "none"

    def check(self, settings: Mapping[str, Value]) -> None:
        """Raise StudyError for a value that no picture has, and where pictures differ in what was not asked."""
        if self._folder is None:
            raise StudyError(f'source is missing. {_REMEDY}: source = "imported"')
        asked = _asked(settings)
        for name, value in asked.items():
            if not any(one.settings.get(name, NONE) == value for one in self._index.pictures):
                words = sorted({_word(one.settings.get(name, NONE)) for one in self._index.pictures})
                raise StudyError(
                    f"{name}: no picture has {_word(value)!r}{among(_word(value), words[:50], 'There are')}"
                )
        for prompt in self._by_prompt if self._unstudied - asked.keys() else ():
            self._check_alike(self._matching(prompt, asked), asked)

    def calls(self, settings: Mapping[str, Value]) -> int | None:
        """Steps, twice where guidance is on, as its tool made the picture; None where the steps are not known."""
        steps, guidance = settings.get(STEPS), settings.get("true_cfg_scale", settings.get("guidance_scale"))
        if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
            return None
        return steps * (2 if isinstance(guidance, int | float) and guidance > 1 else 1)

    def fingerprint(self, shot: Shot) -> Fingerprint:
        """The way in which a picture is found; its bytes have a digest of their own."""
        return Fingerprint({"engine": "folder", "version": VERSION})

    def render(self, shots: Iterable[Shot]) -> Iterator[Render | Failure]:
        """One answer a shot, in order."""
        for shot in shots:
            found = self._found(shot)
            yield (
                Failure(shot, "invalid", found, retryable=False)
                if isinstance(found, str)
                else self._render(shot, found)
            )

    def close(self) -> None:
        """Nothing is held."""

    def _found(self, shot: Shot) -> Kept | str:
        """The picture that a shot asks for, or why there is none."""
        own = self._by_prompt.get(shot.prompt)
        if not own:
            return "no picture has this prompt"
        asked = _asked(shot.settings)
        here = self._matching(shot.prompt, asked)
        if found := [one for one in here if shot.seed == self._numbered(one, shot.seed)]:
            first = self._handed.setdefault((found[0].file, _key(shot.prompt, asked)), shot.seed)
            return found[0] if first == shot.seed else f"the picture of this place stands at seed {first} already"
        if not here:
            return "no picture of this prompt has these settings"
        there = "is 1 picture" if len(here) == 1 else f"are {len(here)} pictures"
        return f"there {there} of this prompt with these settings, and none for this place"

    def _matching(self, prompt: str, asked: Mapping[str, Value]) -> Sequence[Kept]:
        """The pictures of a prompt with these settings; kept, because each of them is asked for."""
        key = _key(prompt, asked)
        if key not in self._here:
            own = self._by_prompt.get(prompt, ())
            self._here[key] = [one for one in own if all(one.settings.get(n, NONE) == v for n, v in asked.items())]
        return self._here[key]

    def _numbered(self, picture: Kept, seed: int) -> int:
        """The number of a picture in the study that asks: the import's own one, or another with these pictures.

        The first asks by the numbers of the list alone, so that a place whose picture is missing gets no other one.
        Another study has seeds of its own for each prompt, which the list knows as well, or counts its replicates from
        0. Replicates count only where pictures are not paired: among seeds of tools, 0 is a seed like any other.
        """
        if seed in self._numbers:
            return picture.number
        return picture.replicate if seed < self._counted else picture.derived

    def _replicates_that_count(self) -> int:
        """How many first seeds may number replicates: none where pictures are paired, or stand at their own seeds."""
        pictures = self._index.pictures
        if self._paired or any(one.number != one.derived for one in pictures):
            return 0
        return 1 + max((one.replicate for one in pictures), default=0)

    def _render(self, shot: Shot, kept: Kept) -> Render | Failure:
        assert self._folder is not None
        try:
            data = inside.read(self._folder, kept.file, MAX_BYTES)
            pixels = decode(data)
        except (OSError, PictureError, StoreError) as error:
            return Failure(shot, "error", f"{kept.file}: {error}")
        form = {"png": "png", "jpg": "jpeg", "webp": "webp"}[kept.file.rpartition(".")[2]]
        facts: dict[str, object] = {"imported": kept.file.partition(".")[0], "made_by": kept.tool}
        facts |= {key: value for key, value in (("their_seed", kept.seed), ("job", kept.job)) if value}
        if (calls := self.calls(shot.settings)) is not None:
            facts["denoiser_calls"] = calls
        if kept.said:
            facts["said"] = list(kept.said)
        height, width, _ = pixels.shape
        return Render(shot, data, form, width, height, 0.0, self.fingerprint(shot), facts, small(pixels))

    def _check_alike(self, pictures: Sequence[Kept], asked: Mapping[str, Value]) -> None:
        for name in sorted(self._unstudied - asked.keys()):
            values = sorted({_word(one.settings.get(name, NONE)) for one in pictures})
            if len(values) > 1:
                raise StudyError(
                    f"source: these pictures differ in {name}, too ({', '.join(values[:6])}). Write one of these under"
                    " [engines.NAME], or make it an axis"
                )


def _asked(settings: Mapping[str, Value]) -> dict[str, Value]:
    return {name: value for name, value in settings.items() if name not in ("prompt", "seed") and value is not None}


def _key(prompt: str, asked: Mapping[str, Value]) -> object:
    return prompt, tuple(sorted(asked.items(), key=str))


def _word(value: Value) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _opened(folder: Path) -> tuple[Index, Mapping[str, Setting]]:
    path = folder / index.NAME
    try:
        facts = path.stat()
        if facts.st_size > LARGEST_LIST:
            raise EngineError(f"source: {path.name} is larger than {LARGEST_LIST // 2**20} MB")
        return _read(path, facts.st_mtime_ns, facts.st_size)
    except StudyError as error:
        raise EngineError(f"source: {error}") from None
    except (OSError, ValueError) as error:
        raise EngineError(f"source: {folder} holds no imported pictures ({type(error).__name__}). {_REMEDY}") from None


@lru_cache(maxsize=4)
def _read(path: Path, changed: int, size: int) -> tuple[Index, Mapping[str, Setting]]:
    """The list and its settings. A study is opened several times in a run, and the list is read once."""
    with io.TextIOWrapper(inside.opened(path.parent, path.name, size), encoding="utf-8") as lines:
        found = index.read(lines, path.name)
    values: dict[str, dict[Value, None]] = {}
    for one in found.pictures:
        for name, value in one.settings.items():
            values.setdefault(name, {})[value] = None
    return found, by_name(*_ASKED, *(_setting(name, list(own)) for name, own in sorted(values.items())))


def _setting(name: str, values: Sequence[Value]) -> Setting:
    plain = [value for value in values if value != NONE]
    kind = _kind(plain)
    silent = len(plain) < len(values)
    many = f"{len(plain)} values" if len(plain) != 1 else "1 value"
    doc = f"{many} in these pictures{f'; {NONE!r} where a picture says nothing of it' if silent else ''}."
    choices = tuple(map(str, values)) if kind == "str" and len(values) <= MOST_CHOICES else ()
    return Setting(name, kind, choices=choices, optional=silent, tells_none=silent, doc=doc)


def _kind(values: Sequence[Value]) -> Literal["float", "int", "str", "bool"]:
    kinds = {type(value) for value in values}
    if kinds == {bool}:
        return "bool"
    if kinds == {int}:
        return "int"
    return "float" if kinds and kinds <= {int, float} else "str"
