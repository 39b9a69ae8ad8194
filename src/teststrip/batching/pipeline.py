"""One pipeline on which many calls run at once: each on a shallow copy whose models are proxies.

Knows what a Diffusers pipeline looks like from outside (`unet` or `transformer`, `vae`, `scheduler`, `encode_prompt`);
nothing of widths, order or batches. A copy shares all weights; its scheduler, generator and proxies are its own.
"""

from __future__ import annotations

import copy
import functools
import inspect
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from teststrip.batching.calls import Call
from teststrip.batching.components import DECODER, DENOISERS
from teststrip.batching.pending import Pending, ProxiedModel

# Encodings kept: more than a study has prompts, and little beside any model. 256 × 2 × 77 × 768 floats are 120 MB.
ENCODINGS = 256


BASE = "diffusers.pipelines.pipeline_utils"
"""Where Diffusers keeps what all pipelines share, which decodes nothing."""


class SharedPipeline:
    """A pipeline made ready to be entered many times at once.

    Args:
        pipeline: stays as it is.
        denoisers: component names of the models at which calls meet; None = those of `DENOISERS` that it has.

    Attributes:
        models: the denoisers and, where calls can share it, the decoder, by component name.
        refusal: why no call of this pipeline can be merged; "" when they can.
    """

    def __init__(self, pipeline: Any, denoisers: Sequence[str] | None = None) -> None:
        self.pipeline = pipeline
        names = denoisers or [name for name in DENOISERS if isinstance(getattr(pipeline, name, None), torch.nn.Module)]
        self.models = {name: ProxiedModel(name, getattr(pipeline, name), "forward") for name in names}
        self.refusal = self._refusal()
        decoder = getattr(pipeline, DECODER, None)
        if isinstance(decoder, torch.nn.Module) and _can_be_shared(decoder, type(pipeline)):
            # Every decode accepts `generator`; the one decoder that draws noise with it is not shared.
            self.models[DECODER] = ProxiedModel(DECODER, decoder, "decode", frozenset({"generator"}))
        self._device = getattr(pipeline, "_execution_device", None)  # of the weights, or where offloading brings them
        self._takes_generator = "generator" in inspect.signature(type(pipeline).__call__).parameters
        self._encodings: OrderedDict[Hashable, Any] = OrderedDict()

    def pending(self, call: Call) -> Pending:
        """The call, ready to start; it will pause at the proxies."""
        return Pending(call, lambda: self._run(call, merged=True), self._device)

    def run_alone(self, call: Call, reason: str = "") -> Pending:
        """The call as the pipeline's authors wrote it, from beginning to end without a pause.

        Returns:
            the call, ended.
        """
        pending = Pending(call, lambda: self._run(call, merged=False), self._device)
        pending.alone = reason

        def count(_: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
            first = next((value for value in (*args, *kwargs.values()) if hasattr(value, "__len__")), [None])
            pending.forwards += 1
            pending.denoiser_calls += len(first)

        denoisers = [each.model for each in self.models.values() if not each.decodes]
        handles = [model.register_forward_pre_hook(count, with_kwargs=True) for model in denoisers]
        try:
            pending.resume()
        finally:
            for handle in handles:
                handle.remove()
        return pending

    def _run(self, call: Call, *, merged: bool) -> Any:
        pipeline = copy.copy(self.pipeline)
        own = pipeline.__dict__  # not setattr, which would rewrite the pipeline's configuration
        own["scheduler"] = copy.deepcopy(self.pipeline.scheduler) if call.scheduler is None else call.scheduler()
        own["_progress_bar_config"] = {"disable": True}
        if hasattr(pipeline, "encode_prompt"):
            own["encode_prompt"] = self._cached(pipeline.encode_prompt)
        if merged:
            own.update({name: model.proxy for name, model in self.models.items()})
        if call.prepare is not None:
            pipeline = call.prepare(pipeline)
        kwargs = dict(call.kwargs)
        if call.seed is not None and self._takes_generator:
            kwargs["generator"] = torch.Generator("cpu").manual_seed(call.seed)
        with decoder_kept(self.pipeline):
            return pipeline(**kwargs)[0]

    def _cached(self, encode: Callable[..., Any]) -> Callable[..., Any]:
        def cached(*args: Any, **kwargs: Any) -> Any:
            key = _hashable((args, kwargs))
            if key is None:
                return encode(*args, **kwargs)
            if key not in self._encodings:
                self._encodings[key] = encode(*args, **kwargs)
                if len(self._encodings) > ENCODINGS:
                    self._encodings.popitem(last=False)
            self._encodings.move_to_end(key)
            return self._encodings[key]

        return cached

    def _refusal(self) -> str:
        if not self.models:
            return "the pipeline has no denoiser called " + " or ".join(DENOISERS)
        if getattr(self.pipeline, "_all_hooks", None) or getattr(self.pipeline, "_offload_gpu_id", None) is not None:
            return "its models move between devices at each call (offloading)"
        for name, each in self.models.items():
            registry = getattr(each.model, "_diffusers_hook", None)
            if getattr(each.model, "is_cache_enabled", False) or getattr(registry, "hooks", None):
                return f"its {name} carries state from step to step (a cache or another hook)"
            if _chooses_experts(each.model):
                return f"its {name} chooses experts for each token, and rounding would choose others in a batch"
        return ""


@contextmanager
def decoder_kept(pipeline: Any) -> Iterator[None]:
    """Afterwards the decoder has its number format again, which some pipelines widen and leave so (AuraFlow).

    Otherwise later pictures would be decoded in another way than the first one, in batches perhaps, to other bytes.
    """
    decoder = getattr(pipeline, DECODER, None)
    before = getattr(decoder, "dtype", None)
    try:
        yield
    finally:
        if isinstance(decoder, torch.nn.Module) and decoder.dtype != before:
            decoder.to(dtype=before)


def _chooses_experts(model: torch.nn.Module) -> bool:
    """Whether a part of a model of Diffusers takes the best few of several: a near tie is decided by rounding."""
    kinds: set[Any] = {type(part) for part in model.modules()}
    return any(_takes_best_few(kind) for kind in kinds if kind.__module__.startswith("diffusers."))


@functools.cache
def _takes_best_few(kind: Any) -> bool:
    return "topk(" in inspect.getsource(kind.forward)


def _can_be_shared(decoder: torch.nn.Module, pipeline: type) -> bool:
    if not hasattr(decoder, "decode") or type(decoder).__name__ == "ConsistencyDecoderVAE":
        return False
    # Where half precision overflows, some pipelines widen the decoder for the length of one decode and narrow it again.
    # No other call may use the decoder in that time, so each of these calls decodes by itself. `force_upcast` is the
    # default of the decoder's class, and says nothing about pipelines that never ask for it (Stable Diffusion 1.5).
    config = getattr(decoder, "config", {})
    overflows = getattr(config, "force_upcast", False) and getattr(decoder, "dtype", None) == torch.float16
    return not (overflows and _widens(pipeline))


@functools.cache
def _widens(pipeline: type) -> bool:
    """Whether a pipeline's own code asks its decoder about overflow, or cannot be read."""
    kinds = [kind for kind in pipeline.__mro__ if kind.__module__ not in ("builtins", "abc", BASE)]
    try:
        sources = [inspect.getsource(kind) for kind in kinds]
    except (OSError, TypeError):
        return True
    return any(words in source for source in sources for words in ("force_upcast", "upcast_vae", "vae.to("))


def _hashable(value: Any) -> Hashable | None:
    """Arguments as something hashable, or None when they hold tensors or other objects."""
    if isinstance(value, Mapping):
        value = tuple((name, value[name]) for name in value)
    if isinstance(value, list | tuple):
        parts = tuple(("none",) if item is None else _hashable(item) for item in value)
        return None if None in parts else (type(value).__name__, parts)
    if isinstance(value, str | int | float | torch.device | torch.dtype):
        return (type(value).__name__, value)
    return None
