"""A call in the middle of its work: it runs in a greenlet and pauses whenever it needs a model.

`ProxiedModel` is what the call meets in place of the model; `Pending` is the paused call with its request. Knows
greenlets; nothing of widths, order or batches.
"""

from __future__ import annotations

import copy
import functools
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import greenlet
import torch

from teststrip.batching.answers import reunited, tensors
from teststrip.batching.calls import Call, CannotMerge, Done, FailedCall, forget_frames, out_of_memory
from teststrip.batching.stacking import Reader, Request
from teststrip.batching.streams import GlobalStream
from teststrip.batching.texts import cuts_texts


def key_of_call() -> str:
    """The key of the call that runs here now; "" outside of all calls."""
    pending: Pending | None = getattr(greenlet.getcurrent(), "pending", None)
    return str(pending.call.key) if pending else ""


class ProxiedModel:
    """A model of the pipeline, with a proxy that hands its arguments over and waits for the answer.

    The proxy is a shallow copy of the model. It keeps the class, the configuration and the weights, so whatever a
    pipeline asks of its model is answered by the model itself.

    Args:
        name: of the pipeline's component.
        model: the component; it is not changed.
        method: what pipelines call, "forward" or "decode".
        ignored: names of arguments that are passed on as None.

    Attributes:
        proxy: stands in a call's copy of the pipeline where the model stood.
        decodes: whether this is the decoder, not a denoiser.
        reader: reads the arguments of one call.
        device: of the weights.
    """

    def __init__(self, name: str, model: torch.nn.Module, method: str, ignored: frozenset[str] = frozenset()) -> None:
        self.name = name
        self.model = model
        self.decodes = method == "decode"
        cuts = method == "forward" and cuts_texts(model)
        self.reader = Reader(name, getattr(getattr(model, "_orig_mod", model), method), ignored, cuts=cuts)
        self.device = next((weight.device for weight in model.parameters()), torch.device("cpu"))
        self.proxy = copy.copy(model)
        for hooks in ("_forward_hooks", "_forward_pre_hooks"):  # the real forward runs them, once
            self.proxy.__dict__[hooks] = OrderedDict()
        # Modular pipelines ask for the names of the model's arguments.
        self.proxy.__dict__[method] = functools.wraps(getattr(model, method))(functools.partial(self._wait))
        self._call: Callable[..., Any] = model if method == "forward" else getattr(model, method)
        self._attached = _attached(model)

    def _wait(self, *args: Any, **kwargs: Any) -> Any:
        pending: Pending | None = getattr(greenlet.getcurrent(), "pending", None)
        if pending is None:  # the caller kept the proxy and uses it outside of any run
            return self._call(*args, **kwargs)
        return pending.request_forward(self, args, kwargs)

    def compute(self, tree: Mapping[str, Any]) -> Any:
        """The model's own answer to arguments by name."""
        args, kwargs = self.reader.bind(tree)
        return self._call(*args, **kwargs)

    @property
    def hooked(self) -> bool:
        """Whether the model came with forward hooks."""
        return self._attached[1] > 0

    def unchanged(self) -> bool:
        """Whether attention processors and hooks are those that the model came with."""
        return bool(_attached(self.model) == self._attached)

    def restore(self) -> None:
        """Put back the attention processors that a call replaced."""
        processors = self._attached[0]
        if processors and _attached(self.model)[0] != processors:
            self.model.set_attn_processor(dict(processors))  # type: ignore[operator]


class Pending:
    """A call under way, in a greenlet of its own. Most of the time it waits for the answer to its request.

    Args:
        call: what was asked.
        work: runs the pipeline and returns its output.
        device: on which the pipeline computes.

    Attributes:
        model: the model that the call waits for.
        request: the arguments that it handed over.
        dispatched: rows of the request that were sent to the model.
        answered: rows of the request whose answer is here.
        parts: those answers, by their first row.
        forwards: as in `Done`.
        denoiser_calls: as in `Done`.
        seconds: as in `Done`.
        rows: as in `Done`.
        decode_rows: as in `Done`.
        alone: as in `Done`.
        output: what the pipeline returned, once the call has ended.
        error: what the call raised, if it did.
    """

    def __init__(self, call: Call, work: Callable[[], Any], device: torch.device | None = None) -> None:
        self._greenlet = greenlet.greenlet(self._run)
        self._greenlet.pending = self
        self._work = work
        self._random = GlobalStream(call.seed or 0, device)
        self.call = call
        self.model: ProxiedModel
        self.request: Request
        self.parts: dict[int, Any] = {}
        self.dispatched = self.answered = 0
        self.forwards = 0
        self.denoiser_calls = 0
        self.seconds = 0.0
        self.rows: int | None = None
        self.decode_rows: int | None = None
        self.alone = ""
        self.output: Any = None
        self.error: Exception | None = None

    @property
    def rows_left(self) -> int:
        """Rows of the request that were not sent to the model yet."""
        return self.request.rows - self.dispatched

    @property
    def shape(self) -> str:
        """The model's name and the shape of one row: what a reader sees, and the key to the width."""
        return f"{self.model.name} {'x'.join(map(str, self.request.shape))}"

    def _run(self, _: Any = None) -> None:
        try:
            self.output = self._work()
        except Exception as error:  # a call fails by itself, whatever it raises
            forget_frames(error)
            self.error = error

    def request_forward(self, model: ProxiedModel, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Pause the call until the model's answer is here. The proxy calls this, inside the call's greenlet."""
        first = self.forwards == 0 and not model.decodes
        if first and not model.unchanged():
            model.restore()
            raise CannotMerge("it changes attention processors or hooks of the denoiser")
        if torch.is_autocast_enabled(model.device.type):
            raise CannotMerge("it calls the denoiser under autocast")
        requests = model.reader.read(args, kwargs)
        self.model = model
        answers = []
        for request in requests:
            self.request = request
            self.forget_answers()
            answers.append(self._greenlet.parent.switch())
        if len(answers) == 1 and not self.request.listed:
            return answers[0]
        return reunited(answers, [place for request in requests for place in request.places])

    def forget_answers(self) -> None:
        """Begin the request again: none of its rows counts as sent."""
        self.parts = {}
        self.dispatched = self.answered = 0

    def resume(self, answer: Any = None) -> bool:
        """Run the call until it waits again or ends. The driver calls this.

        Returns:
            whether the call waits again.
        """
        begin = time.perf_counter()
        try:
            with self._random.current():
                self._greenlet.parent = greenlet.getcurrent()
                self._greenlet.switch(answer)
        finally:
            self.seconds += time.perf_counter() - begin
        return not self._greenlet.dead

    def count(self, width: int) -> None:
        """Note that the request was answered by forwards of this width. The driver calls this."""
        if self.model.decodes:
            self.decode_rows = width
        else:
            self.rows = width
            self.forwards += 1
            self.denoiser_calls += self.request.rows

    def cancel(self) -> None:
        """End the call in the middle; it leaves no output."""
        if self._greenlet and not self._greenlet.dead:
            self._greenlet.parent = greenlet.getcurrent()
            self._greenlet.throw(greenlet.GreenletExit)

    def ended(self) -> Done | FailedCall:
        """How the call ended."""
        call, error = self.call, self.error
        if error is not None:
            return FailedCall(call, "oom" if out_of_memory(error) else "error", error)
        if not all(bool(torch.isfinite(part).all()) for part in tensors(self.output) if part.is_floating_point()):
            return FailedCall(call, "nan", ArithmeticError("the call ended in values that are not finite"))
        return Done(
            call=call,
            output=self.output,
            seconds=self.seconds,
            forwards=self.forwards,
            denoiser_calls=self.denoiser_calls,
            rows=self.rows,
            decode_rows=self.decode_rows,
            alone=self.alone,
        )


def _attached(model: torch.nn.Module) -> tuple[dict[str, Any], int]:
    """The model's attention processors, and its number of hooks."""
    processors = getattr(model, "attn_processors", None) or {}
    hooks = sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in model.modules())
    return dict(processors), hooks
