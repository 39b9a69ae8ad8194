"""What the parts of a study mean together: nothing is set twice or unused, all cells differ, the size is sane."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

from teststrip.errors import StudyError, nearest
from teststrip.records import Axis, Level, Picture, Study, Value
from teststrip.study import options
from teststrip.study.cells import Composition, combinations, full_count
from teststrip.study.engines import Known
from teststrip.study.money import check_money
from teststrip.study.options import Variants, with_options
from teststrip.study.pictures import KEYS
from teststrip.study.place import Place, shown
from teststrip.study.prompts import fill, words

MOST_CELLS = 1_000_000
MOST_SHOTS = 10_000_000
CHECKED_ONE_BY_ONE = 256  # cells; of more, the engine checks only those that show a level for the first time


def check(study: Study, engines: Mapping[str, Known], place: Place) -> None:
    """Check what does not depend on an engine.

    Raises:
        StudyError: two parts contradict each other; the message is about the first such pair.
    """
    _check_size(study, place)
    _check_engines(study, engines, place)
    _check_set_once(study, engines, place)
    options.check_set_once(study, engines, place / "axes")
    _check_pictures(study, engines, place)
    _check_words(study, place)
    _check_levels_differ(study, engines, place)
    _check_exclusions(study, place)
    _check_reference(study, place)


def _check_size(study: Study, place: Place) -> None:
    cells = full_count(study)
    if cells > MOST_CELLS:
        sizes = " × ".join(f"{axis.name} {len(axis.levels)}" for axis in study.axes)
        raise (place / "axes").error(
            f"{sizes} = {cells:,} cells; the most is {MOST_CELLS:,}. Use fewer levels or fewer axes"
        )
    shots = cells * len(study.prompts) * study.replicates
    if shots > MOST_SHOTS:
        raise place.error(
            f"cells {cells:,} × prompts {len(study.prompts):,} × replicates {study.replicates:,} = {shots:,} images;"
            f" the most is {MOST_SHOTS:,}. Use fewer levels, prompts or replicates"
        )


def _check_engines(study: Study, engines: Mapping[str, Known], place: Place) -> None:
    if not any(axis.kind == "engine" for axis in study.axes):
        if len(engines) > 1:
            names = ", ".join(f'"{alias}"' for alias in engines)
            raise (place / "engines").error(f"nothing uses them. Write engine = [{names}] under [axes]")
        return
    used = next(axis.labels for axis in study.axes if axis.kind == "engine")
    for alias in engines:
        if alias not in used:
            raise (place / "engines" / alias).error("axes.engine does not use it. Add it there or remove it here")
    seen: dict[object, str] = {}
    for alias in used:
        known = engines[alias]
        defaults = {name: knob.default for name, knob in known.knobs.items()}
        defaults.update(known.settings)
        same = (known.ref.name, _frozen(known.ref.options), _frozen(defaults))
        if same in seen:
            raise (place / "engines" / alias).error(f"makes the same images as engines.{seen[same]}. Remove one")
        seen[same] = alias


def _check_set_once(study: Study, engines: Mapping[str, Known], place: Place) -> None:
    """A setting is fixed, or belongs to one axis, or stands in the table of an engine."""
    setters: dict[str, str] = {}

    def claim(name: str, here: Place) -> None:
        by = ".".join(str(key) for key in here.keys)
        if setters.setdefault(name, by) != by:
            raise here.error(f"{name} is set by {setters[name]} too. Keep one of them")

    for name in study.settings:
        inside_engine = len(engines) == 1 and name in next(iter(engines.values())).settings
        claim(name, next(iter(engines.values())).place / name if inside_engine else (place / "settings").setting(name))
    for axis in study.axes:
        if axis.kind == "engine":
            for alias in axis.labels:
                for name in engines[alias].settings:
                    if setters.get(name, "engines") != "engines":
                        raise (engines[alias].place / name).error(
                            f"{name} is set by {setters[name]} too. Keep one of them"
                        )
                    setters[name] = "engines"
        elif axis.kind != "word":
            for name in dict.fromkeys(name for level in axis.levels for name in level.sets):
                claim(name, _place_of(axis, place))


def _check_pictures(study: Study, engines: Mapping[str, Known], place: Place) -> None:
    """Every engine takes the pictures of the prompts, and nothing else sets them."""
    for picture in study.prompts[0].pictures:
        key, here = KEYS.get(picture.name, picture.name), place / "prompts"
        for known in engines.values():
            if picture.name not in known.knobs:
                raise here.error(f"have {key}, and {known.owner} takes none. Remove it, or name another engine")
        setters = [*([study.settings] if picture.name in study.settings else [])]
        setters += [level.settings for axis in study.axes for level in axis.levels if picture.name in level.settings]
        if setters:
            raise here.error(f"have {key}, and the study sets {picture.name} too. Keep one of them")


def _check_words(study: Study, place: Place) -> None:
    axes = [axis for axis in study.axes if axis.kind == "word"]
    names = {axis.name for axis in axes}
    for prompt in study.prompts:
        there = words(prompt.text)
        if unfilled := sorted(there - names):
            word = unfilled[0]
            raise (place / "prompts").error(
                f"{{{word}}} in {shown(prompt.text)} has no axis{nearest(word, names) or '.'}"
                f' Write {word} = ["...", "..."] under [axes], or {{{{{word}}}}} for the braces themselves'
            )
        if absent := sorted(names - there):
            raise (place / "axes" / absent[0]).error(
                f"{shown(prompt.text)} does not hold {{{absent[0]}}}, so its images would be the same in every cell."
                " Every prompt must hold it; put the others into a study of their own"
            )
    if axes:
        _check_texts_differ(study, axes, place)


def _check_texts_differ(study: Study, axes: Sequence[Axis], place: Place) -> None:
    seen: dict[tuple[str, tuple[Picture, ...]], str] = {}
    for prompt in study.prompts:
        for chosen in product(*(axis.levels for axis in axes)):
            filling = {axis.name: str(level.settings[axis.name]) for axis, level in zip(axes, chosen, strict=True)}
            text = fill(prompt.text, filling)
            asked = (text, prompt.pictures)
            if asked in seen:
                raise (place / "prompts").error(
                    f"{shown(text)} comes from {shown(seen[asked])} and from {shown(prompt.text)} in another cell."
                    " Change a word or a prompt, so that all texts differ"
                )
            seen[asked] = prompt.text


def _check_levels_differ(study: Study, engines: Mapping[str, Known], place: Place) -> None:
    """Linked levels that leave something out take the engine's default, which another level may spell out."""
    for axis in study.axes:
        if axis.kind != "linked":
            continue
        for known in engines.values():
            knobs = {name: known.knobs[name].default for level in axis.levels for name in level.settings}
            defaults = knobs | {name: known.ref.options.get(name) for level in axis.levels for name in level.options}
            seen: dict[object, int] = {}
            for i, level in enumerate(axis.levels):
                asked = _frozen({**defaults, **level.sets})
                if asked in seen:
                    first = axis.levels[seen[asked]].label
                    raise (place / "axes" / axis.name / i).error(
                        f"{shown(level.label)} sets the same as [{seen[asked]}], {shown(first)}. Remove one"
                    )
                seen[asked] = i


def _frozen(settings: Mapping[str, Value]) -> frozenset[tuple[str, str, Value]]:
    return frozenset((name, type(value).__name__, value) for name, value in settings.items() if value is not None)


def _check_exclusions(study: Study, place: Place) -> None:
    if not study.exclusions:
        return
    here = place / "exclude"
    never = {(axis.name, label) for axis in study.axes for label in axis.labels}
    cells = 0
    for cell in combinations(study):
        cells += 1
        if never:
            never.difference_update(cell)
    if not cells:
        raise here.error("leaves nothing. Exclude less")
    if never:
        axis, label = min(never)
        raise here.error(f"{axis} {label} is left out everywhere. Remove it from axes.{axis} instead")


def _check_reference(study: Study, place: Place) -> None:
    """Check that exclusions leave pictures of the reference, and others beside them."""
    named = {level.axis: level.label for level in study.question.reference}
    if not named or not study.exclusions:
        return
    there: dict[bool, set[object]] = {True: set(), False: set()}
    for cell in combinations(study):
        own = all(named.get(axis, label) == label for axis, label in cell)
        there[own].add(tuple(level for level in cell if level[0] not in named))
    if there[True].isdisjoint(there[False]):
        raise (place / "question" / "reference").error(
            "is compared with nothing, because of what is left out. Exclude less, or name another cell"
        )


def check_with_engine(study: Study, engines: Mapping[str, Known], place: Place) -> None:
    """Let the engine check what it alone knows: schedulers, models, values that do not go together.

    Raises:
        StudyError: the engine refuses a cell, or cannot check it, because a model is damaged or not on this machine.
    """
    composition = Composition(
        study,
        {alias: known.knobs for alias, known in engines.items()},
        {alias: type(known.engine).options for alias, known in engines.items()},
    )
    given, variants = study.prompts[0].settings, Variants()
    everyone = full_count(study) <= CHECKED_ONE_BY_ONE
    unseen = {(axis.name, label) for axis in study.axes for label in axis.labels}
    for cell in combinations(study):
        if not everyone and unseen.isdisjoint(cell):
            continue
        unseen.difference_update(cell)
        known, settings = engines[composition.alias(cell)], composition.settings(cell) | given
        if message := variants.objection(known, composition.maker(cell).ref, settings):
            raise _blamed(study, composition.levels(cell), known, variants, message, place)
        check_money(study.money, known, settings, place)
        if not everyone and not unseen:
            return


def _blamed(
    study: Study, levels: tuple[Level, ...], known: Known, variants: Variants, message: str, place: Place
) -> StudyError:
    """The error at the one part of the cell that is wrong by itself, or at the cell."""
    defaults: dict[str, Value] = {n: knob.default for n, knob in known.knobs.items() if knob.default is not None}
    given, objection = study.prompts[0].settings, variants.objection
    own = {**defaults, **known.settings}
    first = message.partition(": ")[0]
    if first in known.settings and objection(known, known.ref, own) == message:  # a model that is not here
        raise known.place.setting(first).error(message.removeprefix(f"{first}: "))
    if given and objection(known, known.ref, own | given) == message and not objection(known, known.ref, own):
        raise (place / "prompts").error(message)
    defaults |= given
    for where, settings, chosen in _parts(study, levels, known, place):
        # A level is wrong by itself where it is wrong beside the engine's own settings: a LoRA belongs to a model.
        beside: Mapping[str, Value] = {} if settings.keys() <= known.settings.keys() else known.settings
        ref = with_options(known.ref, chosen, type(known.engine).options)
        if objection(known, ref, {**defaults, **beside, **settings}) == message:
            name = next(iter({**settings, **chosen})) if len(settings) + len(chosen) == 1 else ""
            return where.error(message.removeprefix(f"{name}: ") if name else message)
    name, fixed = message.partition(": ")[0], {**study.settings, **known.settings}
    if name in fixed and objection(known, known.ref, defaults | fixed) == message:  # wrong beside another fixed setting
        here = (known.place if name in known.settings else place / "settings").setting(name)
        raise here.error(message.removeprefix(f"{name}: "))
    cell = ", ".join(f"{axis.name} {level.label}" for axis, level in zip(study.axes, levels, strict=True))
    remedy = ". Leave this combination out with [[exclude]]" if len(study.axes) > 1 else ""
    return place.error((f"at {cell}: {message}" if cell else message) + remedy)


def _parts(
    study: Study, levels: tuple[Level, ...], known: Known, place: Place
) -> Iterator[tuple[Place, Mapping[str, Value], Mapping[str, Value]]]:
    """Each part of a cell by itself, one fixed setting or one level: its place, its settings and its options."""
    for name, value in {**study.settings, **known.settings}.items():
        yield (known.place if name in known.settings else place / "settings").setting(name), {name: value}, {}
    for axis, level in zip(study.axes, levels, strict=True):
        if axis.kind in ("setting", "option", "linked"):
            yield _place_of(axis, place) / axis.levels.index(level), level.settings, level.options


def _place_of(axis: Axis, place: Place) -> Place:
    axes = place / "axes"
    return axes.setting(axis.name) if axis.kind == "setting" else axes / axis.name
