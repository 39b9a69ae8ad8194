"""Guidance in a part of the steps: which part settings ask for, and whether a pipeline's way to guide can be read.

`guidance_start` and `guidance_stop` are shares of the scheduler's times, counted as Diffusers' own callbacks count
(`SDCFGCutoffCallback`): the step in which a share falls is guided, so 0.4 of ten steps ends guidance after the step of
index 4. Outside of the window the denoiser is asked for the conditional row alone (`windowed`).

Where that row stands is read from the pipeline's source, in the ways that Diffusers' own pipelines have; a pipeline
that guides in another way is refused. Nothing is imported and nothing runs. To add a way: a `Way`, how it is read, and
how `windowed` answers.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal

from teststrip.batching import DENOISERS
from teststrip.diffusion.guidance import states
from teststrip.diffusion.pipelines import PipelineClass, find
from teststrip.diffusion.source import function
from teststrip.errors import StudyError
from teststrip.records import Setting, Value

START: Final = "guidance_start"
STOP: Final = "guidance_stop"
SETTINGS: Final = (
    Setting(START, "float", low=0, high=1, optional=True, doc="Share of the steps before which nothing is guided."),
    Setting(STOP, "float", low=0, high=1, optional=True, doc="Share of the steps after which nothing is guided."),
)

Way = Literal["first half", "second half", "first call"]
"""Where the conditional answer comes from: a half of the rows of one call, or the first of two calls a step."""
PLACES: Final[Mapping[Way, int | None]] = {"first half": 0, "second half": 1, "first call": None}
"""The place of the conditional half; None where the rows of a call are not halved."""

CONDITIONS: Final = ("do_classifier_free_guidance", "do_true_cfg")
"""Names under which pipelines say whether they guide."""
NEGATIVE: Final = re.compile(r"uncond|neg(?![a-z])|negative")
"""In the name of what the prompt has no part in."""
NOT_GUIDANCE: Final = "skip_layers"
"""Argument of a further call of the denoiser that no setting of a study brings about (Stable Diffusion 3)."""


@dataclass(frozen=True, slots=True)
class Window:
    """The guided part of the steps.

    Attributes:
        start: share of the steps in which guidance begins, 0..1.
        stop: share of the steps in which guidance ends, 0..1.
    """

    start: float
    stop: float

    def steps(self, count: int) -> range:
        """The indices of the guided ones of so many steps: from the step in which `start` falls to that of `stop`.

        >>> Window(0.0, 0.4).steps(10), Window(0.5, 1.0).steps(4), Window(1.0, 1.0).steps(4)
        (range(0, 5), range(2, 4), range(4, 4))
        """
        return range(int(count * self.start), min(int(count * self.stop) + 1, count))


def asked(settings: Mapping[str, Value]) -> Window | None:
    """The window that settings ask for; None where they ask for none."""
    start, stop = settings.get(START), settings.get(STOP)
    if start is None and stop is None:
        return None
    return Window(0.0 if start is None else float(start), 1.0 if stop is None else float(stop))


def check(settings: Mapping[str, Value], pipeline: PipelineClass) -> None:
    """Raise StudyError for a window that is empty, or that a pipeline cannot have.

    Args:
        settings: of a shot.
        pipeline: as its source describes it.
    """
    window = asked(settings)
    if window is None:
        return
    name = STOP if settings.get(START) is None else START
    if window.start > window.stop:
        raise StudyError(
            f"{START}: {window.start:g} is above {STOP} {window.stop:g}, and guidance cannot end before it begins."
            f" Write a {START} of at most {window.stop:g}"
        )
    if why := _unreadable(pipeline):
        raise StudyError(f"{name}: {why}. Leave {name} out")
    default = pipeline.knobs["pag_scale"].default if "pag_scale" in pipeline.knobs else 0.0
    if float(settings.get("pag_scale", default) or 0) > 0:
        raise StudyError(
            f"{name}: perturbed attention adds rows of its own to all steps. Write pag_scale = 0, or leave {name} out"
        )
    if window.start > 0 and _fills_cache(pipeline.name):
        raise StudyError(f"{START}: {pipeline.name} keeps what its first step computes of both rows. Leave {START} out")


def _unreadable(pipeline: PipelineClass) -> str:
    """Why steps of a pipeline cannot go without guidance; "" where they can."""
    known = any(states(pipeline.tree, condition) for condition in CONDITIONS)
    if way(pipeline.name) is None:
        return (
            f"the source of {pipeline.name} does not show how to ask for the conditional row alone"
            if known
            else f"{pipeline.name} makes no second row for guidance"
        )
    return "" if known else f"the source of {pipeline.name} does not show when it guides"


def rows_less(settings: Mapping[str, Value], steps: int) -> int:
    """The denoiser rows that a guided picture of so many steps is spared."""
    window = asked(settings)
    return steps - len(window.steps(steps)) if window else 0


def unheeded(settings: Mapping[str, Value], off: str, steps: int) -> Iterator[str]:
    """What is not heeded of a window, each as a clause after "settings".

    Args:
        settings: of a shot.
        off: why the pipeline does not guide with these settings; "" where it does.
        steps: that are taken.
    """
    window = asked(settings)
    if window is None:
        return
    names = " and ".join(name for name in (START, STOP) if settings.get(name) is not None)
    if off:
        yield f"do not heed {names}: {off}. Leave {names} out, or turn guidance on"
    elif (window.start > 0 or window.stop < 1) and not rows_less(settings, steps):
        yield f"do not heed {names}: each of the {steps:,} steps lies in that part. Take more steps, or a smaller part"


def around(pipeline: PipelineClass, settings: Mapping[str, Value]) -> Callable[[Any], Any] | None:
    """What makes a call's own copy of the pipeline guide in the window alone; None where settings ask for none.

    Args:
        pipeline: as its source describes it.
        settings: of a shot.
    """
    window, found = asked(settings), way(pipeline.name)
    if window is None or found is None:
        return None
    from teststrip.diffusion.windowed import windowed

    return windowed(window.steps, PLACES[found])


@cache
def way(pipeline: str) -> Way | None:
    """How a pipeline class gets its conditional answer; None where its source does not show that."""
    found = find(pipeline)
    loop = _loop(pipeline)
    if found is None or loop is None or _on_another_axis(found.tree):
        return None
    answers = _answers(loop)
    places = {place for node in ast.walk(loop) for place in _parted(node)} | {*_sliced(loop)}
    if len(answers) == 1 and len(places) == 1:
        return "second half" if places == {1} else "first half" if places == {0} else None
    if not places and len(answers) == 2 and [bool(NEGATIVE.search(name)) for name in answers] == [False, True]:
        return "first call"
    return None


@cache
def _loop(pipeline: str) -> ast.For | None:
    """The one loop over the steps, in which the scheduler steps and the denoiser is called."""
    found = find(pipeline)
    call = function(found.tree, "__call__") if found else None
    loops = [node for node in ast.walk(call) if isinstance(node, ast.For)] if call else []
    loops = [loop for loop in loops if _mentions(loop, "scheduler.step") and _answers(loop)]
    return loops[0] if len(loops) == 1 else None


def _mentions(loop: ast.For, called: str) -> bool:
    return any(isinstance(node, ast.Call) and ast.unparse(node.func) == f"self.{called}" for node in ast.walk(loop))


def _answers(loop: ast.For) -> list[str]:
    """What the answers of the denoiser are assigned to, in the order of the source."""
    found = [
        (node.lineno, ast.unparse(node.targets[0]))
        for node in ast.walk(loop)
        if isinstance(node, ast.Assign)
        for call in _denoising(node.value)
        if NOT_GUIDANCE not in {keyword.arg for keyword in call.keywords}
    ]
    return [name for _, name in sorted(found)]


def _denoising(tree: ast.AST) -> Iterator[ast.Call]:
    """Calls of the denoiser."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {f"self.{name}" for name in DENOISERS}:
            yield node


def _parted(node: ast.AST) -> Iterator[int | None]:
    """The place of the conditional one of two halves: `u, c = x.chunk(2)`, `c, u = torch.split(x, len(x) // 2, dim=0)`.

    Yields None for what is parted in another way, into three or by names that say nothing.
    """
    match node:
        case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Call(func=ast.Attribute(attr="chunk")) as call):
            parts = call.args[0] if call.args else None
            if not _along_rows(call, 1) or not (isinstance(parts, ast.Constant) and parts.value in (2, 3)):
                return
        case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Call() as call):
            if ast.unparse(call.func) != "torch.split" or not _along_rows(call, 2):
                return
        case _:
            return
    if (written := [ast.unparse(name) for name in names]) and "_" not in written:  # what is dropped guides nothing
        yield _conditional(written)


def _along_rows(call: ast.Call, place: int) -> bool:
    """Whether a call parts the first axis; `place` is that of its argument `dim`."""
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    dim = given.get("dim", call.args[place] if len(call.args) > place else None)
    return dim is None or (isinstance(dim, ast.Constant) and dim.value == 0)


def _sliced(loop: ast.For) -> Iterator[int | None]:
    """The place of the conditional one of `a = x[:n]` and `b = x[n:]`."""
    begins: dict[tuple[str, str], str] = {}
    ends: dict[tuple[str, str], str] = {}
    for node in ast.walk(loop):
        match node:
            case ast.Assign(
                targets=[ast.Name(id=name)],
                value=ast.Subscript(value=ast.Name(id=of), slice=ast.Slice(lower=lower, upper=upper, step=None)),
            ):
                if lower is None and upper is not None:
                    begins[of, ast.unparse(upper)] = name
                elif upper is None and lower is not None:
                    ends[of, ast.unparse(lower)] = name
    for key in begins.keys() & ends.keys():
        yield _conditional([begins[key], ends[key]])


def _conditional(names: list[str]) -> int | None:
    """Which of two names is not that of what the prompt has no part in; None where that is not clear."""
    negative = [bool(NEGATIVE.search(name)) for name in names]
    return negative.index(False) if sorted(negative) == [False, True] else None


def _on_another_axis(tree: ast.ClassDef) -> bool:
    """Whether the texts of both rows are joined along another axis than the first (HiDream)."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="cat"), args=[ast.List(elts=[_, _] as both), *_]):
                negative = [bool(NEGATIVE.search(ast.unparse(one))) for one in both]
                if negative[0] != negative[1] and not _along_rows(node, 1):
                    return True
    return False


def _fills_cache(pipeline: str) -> bool:
    """Whether the denoiser is given something that it keeps from step to step."""
    loop = _loop(pipeline)
    calls = _denoising(loop) if loop else ()
    return any("cache" in (keyword.arg or "") for call in calls for keyword in call.keywords)
