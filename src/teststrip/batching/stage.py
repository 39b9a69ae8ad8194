"""One pipeline, many calls in the middle of it: each in a greenlet, on a shallow copy whose models are doors.

Knows what a Diffusers pipeline looks like from outside (`unet` or `transformer`, `vae`, `scheduler`, `encode_prompt`);
nothing of widths, order or batches. A copy shares all weights; its own are the scheduler, the generator and the doors.
"""

from __future__ import annotations

import copy
import inspect
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import greenlet
import torch

from teststrip.batching.calls import Call, CannotMerge
from teststrip.batching.stacking import Reader, Request

DENOISERS = ("unet", "transformer", "transformer_2")
DECODER = "vae"
# Encodings kept: more than a study has prompts, little beside any model. 256 x 2 x 77 x 768 floats are 120 MB.
PROMPTS = 256


class Door:
    """A shallow copy of a model that is called like the model, but asks the driver and waits.

    The copy keeps the class, the configuration and the weights, so that whatever a pipeline asks of its model is
    answered by the model itself.
    """

    def __init__(self, name: str, model: torch.nn.Module, method: str, ignored: frozenset[str] = frozenset()) -> None:
        self.name = name
        self.model = model
        self.decodes = method == "decode"
        self.enter: Callable[..., Any] = model if method == "forward" else getattr(model, method)
        self.reader = Reader(name, getattr(getattr(model, "_orig_mod", model), method), ignored)
        self.stand_in = copy.copy(model)
        for hooks in ("_forward_hooks", "_forward_pre_hooks"):  # they run once, in the real forward
            self.stand_in.__dict__[hooks] = OrderedDict()
        self.stand_in.__dict__[method] = self._wait
        self._machinery = _machinery(model)
        self.device = next((weight.device for weight in model.parameters()), torch.device("cpu"))

    def _wait(self, *args: Any, **kwargs: Any) -> Any:
        guest: Guest | None = getattr(greenlet.getcurrent(), "guest", None)
        if guest is None:  # somebody kept the copy and calls it outside of any run
            return self.enter(*args, **kwargs)
        return guest.ask(self, args, kwargs)

    def perform(self, tree: Mapping[str, Any]) -> Any:
        """The model's own answer to arguments by name."""
        args, kwargs = self.reader.bind(tree)
        return self.enter(*args, **kwargs)

    @property
    def hooked(self) -> bool:
        """Whether somebody listens to the model's forwards."""
        return self._machinery[1] > 0

    def untouched(self) -> bool:
        """Whether attention processors and hooks are those that the pipeline came with."""
        return bool(_machinery(self.model) == self._machinery)

    def restore(self) -> None:
        """Puts back the attention processors that a call replaced."""
        processors = self._machinery[0]
        if processors and _machinery(self.model)[0] != processors:
            self.model.set_attn_processor(dict(processors))  # type: ignore[operator]


class Guest:
    """A call under way, in a greenlet of its own.

    Attributes:
        call: what was asked. request, door: what it waits for, if it waits.
        asked: its rows that were sent to the model; served: those with an answer; parts: the answers by first row.
        forwards, denoiser_calls, seconds, rows, decode_rows: as in `Done`.
        output, error: how it ended. alone: why it was not merged, if it was not.
    """

    def __init__(self, call: Call, work: Callable[[], Any]) -> None:
        self._greenlet = greenlet.greenlet(self._live)
        self._greenlet.guest = self
        self.call = call
        self._work = work
        self._rng = _seeded(call)
        self.door: Door
        self.request: Request
        self.parts: dict[int, Any] = {}
        self.asked = self.served = 0
        self.forwards = 0
        self.denoiser_calls = 0
        self.seconds = 0.0
        self.rows: int | None = None
        self.decode_rows: int | None = None
        self.output: Any = None
        self.error: Exception | None = None
        self.alone = ""

    @property
    def open(self) -> int:
        """Rows that were not sent to the model yet."""
        return self.request.rows - self.asked

    @property
    def shape(self) -> str:
        """The model waited for and the shape of a row, for people and as a key."""
        return f"{self.door.name} {'x'.join(map(str, self.request.shape))}"

    def _live(self, _: Any = None) -> None:
        try:
            self.output = self._work()
        except Exception as error:  # a call fails alone, whatever it raises
            self.error = error

    def ask(self, door: Door, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Called inside the call: wait for an answer of the model behind the door."""
        first = self.forwards == 0 and not door.decodes
        if first and not door.untouched():
            door.restore()
            raise CannotMerge("it changes attention processors or hooks of the denoiser")
        if torch.is_autocast_enabled(door.device.type):
            raise CannotMerge("it calls the denoiser under autocast")
        self.request = door.reader.read(args, kwargs)
        self.door = door
        self.parts = {}
        self.asked = self.served = 0
        return self._greenlet.parent.switch()

    def resume(self, answer: Any = None) -> bool:
        """Called by the driver: on until it waits again (True) or has ended (False)."""
        driver = torch.get_rng_state()
        torch.set_rng_state(self._rng)
        begin = time.perf_counter()
        try:
            self._greenlet.parent = greenlet.getcurrent()
            self._greenlet.switch(answer)
        finally:
            self.seconds += time.perf_counter() - begin
            self._rng = torch.get_rng_state()
            torch.set_rng_state(driver)
        return not self._greenlet.dead

    def note(self, width: int) -> None:
        """Called by the driver: the request is answered, by forwards of this width."""
        if self.door.decodes:
            self.decode_rows = width
        else:
            self.rows = width
            self.forwards += 1
            self.denoiser_calls += self.request.rows

    def leave(self) -> None:
        """End a call in the middle; nothing of it remains."""
        if self._greenlet and not self._greenlet.dead:
            self._greenlet.parent = greenlet.getcurrent()
            self._greenlet.throw(greenlet.GreenletExit)


class Stage:
    """A pipeline made ready to be entered many times at once.

    Args:
        pipeline: stays as it is.
        denoisers: component names of the models to meet at; None = those of `DENOISERS` that there are.

    Attributes:
        refusal: why no call of this pipeline can be merged; "" when they can.
    """

    def __init__(self, pipeline: Any, denoisers: Sequence[str] | None = None) -> None:
        self.pipeline = pipeline
        names = denoisers or [name for name in DENOISERS if isinstance(getattr(pipeline, name, None), torch.nn.Module)]
        self.doors = {name: Door(name, getattr(pipeline, name), "forward") for name in names}
        self.refusal = self._refusal()
        decoder = getattr(pipeline, DECODER, None)
        if isinstance(decoder, torch.nn.Module) and _decodes_by_itself(decoder):
            # `generator`: accepted by every decode, used by the one decoder that draws noise, which is left out above.
            self.doors[DECODER] = Door(DECODER, decoder, "decode", frozenset({"generator"}))
        self._takes_generator = "generator" in inspect.signature(type(pipeline).__call__).parameters
        self._encodings: OrderedDict[Hashable, Any] = OrderedDict()

    def guest(self, call: Call) -> Guest:
        """The call, ready to start."""
        return Guest(call, lambda: self._perform(call, merged=True))

    def alone(self, call: Call, reason: str = "") -> Guest:
        """The call as its authors wrote it, from beginning to end without a stop."""
        guest = Guest(call, lambda: self._perform(call, merged=False))
        guest.alone = reason

        def count(_: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
            first = next((value for value in (*args, *kwargs.values()) if hasattr(value, "__len__")), [None])
            guest.forwards += 1
            guest.denoiser_calls += len(first)

        models = [door.model for door in self.doors.values() if not door.decodes]
        handles = [model.register_forward_pre_hook(count, with_kwargs=True) for model in models]
        try:
            guest.resume()
        finally:
            for handle in handles:
                handle.remove()
        return guest

    def _perform(self, call: Call, *, merged: bool) -> Any:
        pipeline = copy.copy(self.pipeline)
        own = pipeline.__dict__  # not setattr: it would rewrite the pipeline's configuration
        own["scheduler"] = copy.deepcopy(self.pipeline.scheduler) if call.scheduler is None else call.scheduler()
        own["_progress_bar_config"] = {"disable": True}
        if hasattr(pipeline, "encode_prompt"):
            own["encode_prompt"] = self._remembering(pipeline.encode_prompt)
        if merged:
            own.update({name: door.stand_in for name, door in self.doors.items()})
        kwargs = dict(call.kwargs)
        if call.seed is not None and self._takes_generator:
            kwargs["generator"] = torch.Generator("cpu").manual_seed(call.seed)
        return pipeline(**kwargs)[0]

    def _remembering(self, encode: Callable[..., Any]) -> Callable[..., Any]:
        def remembered(*args: Any, **kwargs: Any) -> Any:
            asked = _plain((args, kwargs))
            if asked is None:
                return encode(*args, **kwargs)
            if asked not in self._encodings:
                self._encodings[asked] = encode(*args, **kwargs)
                if len(self._encodings) > PROMPTS:
                    self._encodings.popitem(last=False)
            self._encodings.move_to_end(asked)
            return self._encodings[asked]

        return remembered

    def _refusal(self) -> str:
        if not self.doors:
            return "the pipeline has no denoiser called " + " or ".join(DENOISERS)
        if getattr(self.pipeline, "_all_hooks", None) or getattr(self.pipeline, "_offload_gpu_id", None) is not None:
            return "its models move between devices at each call (offloading)"
        for name, door in self.doors.items():
            registry = getattr(door.model, "_diffusers_hook", None)
            if getattr(door.model, "is_cache_enabled", False) or getattr(registry, "hooks", None):
                return f"its {name} carries state from step to step (a cache or another hook)"
        return ""


def _seeded(call: Call) -> torch.Tensor:
    # Some schedulers (DPM++ SDE) draw from the global generator; each call sees one of its own.
    return torch.Generator("cpu").manual_seed(call.seed or 0).get_state()


def _machinery(model: torch.nn.Module) -> tuple[dict[str, Any], int]:
    processors = getattr(model, "attn_processors", None) or {}
    hooks = sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in model.modules())
    return dict(processors), hooks


def _decodes_by_itself(decoder: torch.nn.Module) -> bool:
    if not hasattr(decoder, "decode") or type(decoder).__name__ == "ConsistencyDecoderVAE":
        return False
    # Where half precision overflows, the pipeline widens the shared decoder for the length of one decode and narrows it
    # again: nobody else may come in between, so those decode inside their own call.
    config = getattr(decoder, "config", {})
    return not (getattr(config, "force_upcast", False) and getattr(decoder, "dtype", None) == torch.float16)


def _plain(value: Any) -> Hashable | None:
    """Arguments as something hashable, or None when they hold tensors or other objects."""
    if isinstance(value, Mapping):
        value = tuple((name, value[name]) for name in value)
    if isinstance(value, list | tuple):
        parts = tuple(("none",) if item is None else _plain(item) for item in value)
        return None if None in parts else (type(value).__name__, parts)
    if isinstance(value, str | int | float | torch.device | torch.dtype):
        return (type(value).__name__, value)
    return None
