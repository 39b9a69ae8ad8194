"""What a study would take, before anything is made: counts, cost, time, disk, and what its design can see.

The time comes from the folder's own images of today's fingerprints. Where there are none, it comes from a short
calibration: a process of its own makes two shots of each engine's cheapest cell, measures them and throws them away.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from teststrip import plan as planning
from teststrip import study as studies
from teststrip.analysis.power import outlook
from teststrip.analysis.power.power import Variances
from teststrip.analysis.sentences.phrases import count, listed, stopwatch
from teststrip.errors import EngineError, MissingExtra
from teststrip.executors.local import LocalExecutor
from teststrip.folder import LEDGER_FILE
from teststrip.protocols import Priced, Remarks
from teststrip.records import Cell, EngineRef, Fingerprint, Planned, PromptFile, Study
from teststrip.results import scores, seeding
from teststrip.results.result import Result
from teststrip.servers import Meets
from teststrip.store import Store
from teststrip.study import samplers, syntax
from teststrip.verbs import account as budget
from teststrip.verbs import extent, places, readings, resume, trial

CALIBRATION_SECONDS = 600  # a real run measures the pace of a model that needs longer for two images


@dataclass(frozen=True)
class Forecast:
    """A study, its plan, and what is known of its cost.

    Attributes:
        study: what is asked.
        plan: the shots of the study.
        folder: where the study would lie.
        summary: counts and costs.
        pace: seconds a denoiser call by the name of the engine (`Plan.maker`), where known.
        done: ids of shots with an image under today's fingerprint.
        power: sentences on what the design can see.
        remarks: sentences of engines on settings that are not made as they read, or on a slower path.
        warnings: sentences on what was left out, on scores that know nothing of these pictures, on prompts that will
            not be read whole.
        untimed: why the time is not known, where it is not.
        spent: what the folder's images have cost already, by currency.
    """

    study: Study
    plan: planning.Plan
    folder: Path
    summary: planning.PlanSummary
    pace: Mapping[str, planning.Measured] = field(default_factory=dict)
    done: frozenset[str] = frozenset()
    power: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    untimed: str = "no earlier images to judge by"
    spent: Mapping[str, float] = field(default_factory=dict)

    @property
    def timed(self) -> bool:
        """Whether the time for all that is left is known."""
        return not self.summary.untimed


def of(
    path: Path,
    out: Path | None = None,
    overrides: Sequence[str] = (),
    *,
    attempt: bool = False,
    without_failing: bool = False,
    ask: bool = False,
) -> Forecast:
    """The forecast of a study file or of a run's folder. Reads the folder if there is one, and changes nothing.

    Args:
        path: of the study file or the folder.
        out: the folder of the study.
        overrides: changes to the study file, KEY=VALUE each.
        attempt: whether a picture of each level is made, to see whether it can be.
        without_failing: whether what cannot be made is left out.
        ask: whether engines that have a server ask it what it has; otherwise nothing is sent anywhere.

    Raises:
        StudyError: the study asks for something that does not exist or cannot be made.
    """
    path, out = places.of_study(path, out)
    reader = studies.reopen if without_failing else studies.read
    study, left_out = trial.sound(reader(path, overrides), attempt=attempt, without_failing=without_failing, ask=ask)
    plan = planning.of(study)
    folder = out or places.RUNS / study.name
    done, pace, size = _history(plan, folder, ask=ask)
    spent = budget.spent_in(folder)
    summary = _warned(plan.summary(done, pace=pace, image_bytes=size))
    read = readings.of(plan)
    distinct = readings.distinct(study, read)
    return Forecast(
        study,
        plan,
        folder,
        summary,
        pace,
        frozenset(done),
        outlook.of_study(distinct, plan.cells, _pilot(study, plan, folder), paired_seeds=seeding.paired(study)),
        _remarks(plan, ask=ask),
        (
            *([trial.left_out(left_out)] if left_out else []),
            *syntax.hints(study),
            *scores.warnings(study),
            *readings.unread(study, read),
            *readings.uncalled(plan),
            *budget.warnings(study, summary.price_left, spent),
        ),
        spent=spent,
    )


def measurable(forecast: Forecast) -> bool:
    """Whether making images can tell the time of what is left; nothing is bought for that."""
    return bool(_samples(forecast.plan))


def calibrated(forecast: Forecast) -> Forecast:
    """The forecast with a measured pace. A process of its own makes two images of each engine and throws them away.

    Raises:
        EngineError: an engine could not make them; the message is the engine's.
    """
    pace = dict(forecast.pace)
    try:
        for maker, (ref, shots) in _samples(forecast.plan).items():
            if maker not in pace:
                pace[maker] = _measured(maker, ref, shots)
    except MissingExtra as error:
        return replace(forecast, untimed=str(error))
    summary = replace(
        _warned(forecast.plan.summary(forecast.done, pace=pace)),
        bytes_left=forecast.summary.bytes_left,
        size=forecast.summary.size,
    )
    return replace(forecast, pace=pace, summary=summary)


def lines(forecast: Forecast) -> Iterator[str]:
    """The forecast in lines for people, without the time."""
    summary = forecast.summary
    yield f"{summary.study}: {_design(summary)} = {count(summary.images, 'image')}"
    if summary.excluded:
        yield f"  {count(summary.excluded, 'combination')} excluded"
    for axis in summary.axes:
        levels = ", ".join(level.label for level in axis.levels[:12]) + (" ..." if len(axis.levels) > 12 else "")
        yield f"  {axis.name}: {levels}  ({count(axis.levels[0].images, 'image')} each)"
    yield from (f"  {sentence}" for sentence in samplers.sentences(forecast.study))
    if source := forecast.study.prompt_file:
        yield f"  {_read_from(source)}"
    if forecast.study.prompts[0].pictures:
        yield f"  {_given(forecast.study)}"
    done = f"{summary.done:,} made, {summary.left:,} to make" if summary.done else "none made yet"
    yield f"  {done} → {forecast.folder}"
    if summary.calls_left is not None:
        yield f"  {count(summary.calls_left, 'denoiser call')}, counted by the engine's own scheduler"
    yield from (f"  {line}" for line in _bill(forecast))
    if summary.bytes_left is not None:
        yield f"  about {size(summary.bytes_left)} on disk ({summary.size})"
    for warning in (*summary.warnings, *forecast.warnings):
        yield f"  warning: {warning}"
    yield from (f"  {remark}" for remark in forecast.remarks)
    yield ""
    yield "What this design can see"
    for sentence in forecast.power:
        yield f"  {sentence}"
    yield ""


def _bill(forecast: Forecast) -> Iterator[str]:
    summary = forecast.summary
    return budget.lines(forecast.study, summary.price_left, summary.price_again, forecast.spent)


def _read_from(source: PromptFile) -> str:
    """Where prompts were read from, and by which columns, because those are guessed by their names."""
    if not source.text:
        return f"prompts from {source.name}"
    tags = f", tags from {listed([repr(name) for name in source.tags])}" if source.tags else ""
    pictures = f", pictures from {listed([repr(name) for name in source.pictures])}" if source.pictures else ""
    return f"prompts from column {source.text!r} of {source.name}{tags}{pictures}"


def _given(study: Study) -> str:
    """The kinds of picture that prompts bring, each with its sizes, the most frequent first."""
    kinds: dict[str, Counter[str]] = {}
    for prompt in study.prompts:
        for picture in prompt.pictures:
            kinds.setdefault(picture.name, Counter())[f"{picture.width} × {picture.height}"] += 1
    sizes = {
        name: ", ".join(one for one, _ in found.most_common(4)) + (", ..." if len(found) > 4 else "")
        for name, found in kinds.items()
    }
    return "pictures given: " + "; ".join(f"{name} {found}" for name, found in sizes.items())


def time_line(forecast: Forecast) -> str:
    """A line on how long the shots that are left take, and how that is known."""
    seconds = forecast.summary.seconds_left
    if not forecast.summary.left:
        return "Time: nothing is left to make"
    if seconds is None:
        return f"Time: unknown; {forecast.untimed}"
    known = f"Time: about {stopwatch(seconds)} ({forecast.summary.pace})"
    if untimed := forecast.summary.untimed:
        return f"{known}; how long {listed(untimed)} will take is known after the first images"
    return known


def as_json(forecast: Forecast) -> dict[str, Any]:
    """The forecast as plain values, for programs."""
    return {
        **forecast.summary.as_dict(),
        **({"spent": dict(forecast.spent)} if forecast.spent else {}),
        "folder": str(forecast.folder),
        "power": list(forecast.power),
        "remarks": list(forecast.remarks),
        "warnings": [*forecast.summary.warnings, *forecast.warnings],
    }


def size(number: float) -> str:
    """Bytes as people say them.

    >>> size(900), size(6_100_000)
    ('900 B', '6.1 MB')
    """
    step = min(4, int(math.log10(max(number, 1)) // 3))
    return f"{number / 1000**step:.{0 if step == 0 else 1}f} {['B', 'kB', 'MB', 'GB', 'TB'][step]}"


def _warned(summary: planning.PlanSummary) -> planning.PlanSummary:
    """The summary, with what a large study takes to read among its warnings."""
    return replace(summary, warnings=(*summary.warnings, *extent.warnings(summary.images)))


def _design(summary: planning.PlanSummary) -> str:
    parts = ((summary.prompts, "prompt"), (summary.replicates, "replicate"), (summary.cells, "setting"))
    return " × ".join(count(number, word) for number, word in parts)


def _history(
    plan: planning.Plan, folder: Path, *, ask: bool
) -> tuple[set[str], dict[str, planning.Measured], planning.Measured | None]:
    """What the folder knows: ids of shots with an image, pace by the name of the engine, mean size of an image."""
    if not (folder / LEDGER_FILE).is_file():
        return set(), {}, None
    with Store(folder) as store:
        with LocalExecutor() as executor:
            if ask:
                executor.open(map(plan.engine, plan.cells))
            today = resume.believed(store, resume.fingerprints(plan, executor))
        done = resume.current(plan, store, today)
        if not done:
            return set(), {}, None
        sizes = [images[-1].size for shot, images in store.images().items() if shot in done]
        pace = {
            maker: planning.Measured(seconds, "from earlier images of this folder")
            for maker, found in _by_maker(plan, today).items()
            if (seconds := store.pace({one.id for one in found})) is not None
        }
    mean = planning.Measured(sum(sizes) / len(sizes), f"mean of {count(len(sizes), 'image')} here") if sizes else None
    return done, pace, mean


def _by_maker(plan: planning.Plan, today: Mapping[Cell, Fingerprint]) -> dict[str, list[Fingerprint]]:
    """Today's fingerprints by the name of the engine."""
    found: dict[str, list[Fingerprint]] = {maker: [] for maker in plan.makers}
    for cell, fingerprint in today.items():
        ref = plan.engine(cell)
        for maker, known in plan.makers.items():
            if known == ref:
                found[maker].append(fingerprint)
    return found


def _remarks(plan: planning.Plan, *, ask: bool) -> tuple[str, ...]:
    """The remarks of engines, each with the number of cells that it is about."""
    found: dict[str, int] = {}
    with LocalExecutor() as executor:
        if ask:
            executor.open(map(plan.engine, plan.cells))
        for cell in plan.cells:
            engine = executor.engine(plan.engine(cell))
            said = engine.remark(plan.first(cell).shot.settings) if isinstance(engine, Remarks) else ""
            for remark in said.splitlines():
                found[remark] = found.get(remark, 0) + 1
    return tuple(f"{cells:,} of {count(len(plan.cells), 'setting')} {remark}" for remark, cells in found.items())


def _samples(plan: planning.Plan) -> dict[str, tuple[EngineRef, list[Planned]]]:
    """Two shots of each engine's cheapest cell, of two prompts or else two replicates; one shot where there is one."""
    found: dict[str, tuple[EngineRef, list[Planned]]] = {}
    for maker, ref in plan.makers.items():
        cells = [cell for cell in plan.cells if plan.engine(cell) == ref]
        with LocalExecutor() as executor:
            engine = executor.engine(ref)
            if isinstance(engine, Priced | Meets):
                continue  # nothing is bought, and no server is asked, to learn how long it takes
            cheapest = min(cells, key=lambda cell: engine.calls(plan.first(cell).shot.settings) or 0)
        places = [(prompt, 0) for prompt in plan.study.prompts[:2]]
        if len(places) == 1 and plan.study.replicates > 1:
            places.append((plan.study.prompts[0], 1))
        shots = [Planned(plan.shot(cheapest, p, r), cheapest, p, r) for p, r in places]
        found[maker] = (ref, shots)
    return found


def _measured(maker: str, ref: EngineRef, shots: Sequence[Planned]) -> planning.Measured:
    asked = {
        "name": ref.name,
        "options": dict(ref.options),
        "operation": dict(ref.operation),
        "shots": [[dict(planned.shot.settings), dict(planned.shot.files)] for planned in shots],
    }
    try:
        child = subprocess.run(
            [sys.executable, "-P", "-m", "teststrip.executors.pace"],  # -P: no module of the working folder
            input=json.dumps(asked),
            capture_output=True,
            encoding="utf-8",
            errors="replace",  # a library below may write in another encoding
            env={**os.environ, "PYTHONIOENCODING": "utf-8"},
            timeout=CALIBRATION_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise EngineError(
            f"{maker}: two images took longer than {CALIBRATION_SECONDS} s. Plan with --no-calibrate"
        ) from None
    if child.returncode:
        said = child.stderr.strip().splitlines() or ["no message"]
        raise EngineError(f"{maker}: calibration failed: {said[-1]}. Plan with --no-calibrate to leave it out")
    answer = json.loads(child.stdout.strip().splitlines()[-1])
    if "missing" in answer:
        raise MissingExtra(answer["missing"])
    seconds = float(answer["seconds_per_call"])
    return planning.Measured(seconds, f"from a calibration of {count(len(shots), 'image')}")


def _pilot(study: Study, plan: planning.Plan, folder: Path) -> Variances | None:
    """The spread of scores that are there already."""
    if not (folder / LEDGER_FILE).is_file():
        return None
    with Result(study, Store(folder), plan) as result:
        return outlook.measured(study, result.columns(), result.cards)
