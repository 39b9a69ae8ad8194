"""What computes the denoiser's forwards: PyTorch as it is, PyTorch compiled, or OpenVINO.

A backend stands where `teststrip.batching` would call the model: it gets the model's own arguments, always with the
same number of rows, and answers as the model does. Knows models and files of its cache; nothing of shots or schedulers.

To add one: a name in `NAMES`, a callable in `forwards`.
"""

from __future__ import annotations

import importlib.util
import inspect
import tempfile
import threading
import warnings
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from teststrip import disk
from teststrip.batching import DENOISERS
from teststrip.diffusion.loras import Lora
from teststrip.errors import EngineError, StudyError
from teststrip.records import Value, canonical_json, digest_of
from teststrip.weights.digests import cache_folder

NAMES: Final = ("auto", "torch", "compile", "openvino", "openvino-bf16")

OTHER_PICTURES: Final = frozenset({"openvino-bf16"})
"""Backends whose pictures are not those of PyTorch up to rounding, so that PyTorch must make none in their name."""

IN_LANES: Final = frozenset({"torch", "openvino", "openvino-bf16"})
"""Backends that compute several forwards at a time, each on threads of its own (`teststrip.batching.lanes`)."""

Forward = Callable[..., Any]


def resolved(asked: str, *, device: str, dtype: str) -> str:
    """The backend that "auto" stands for: the fastest whose pictures are those of PyTorch, up to rounding.

    On a CPU in single precision that is OpenVINO where it is installed: 1.86 times PyTorch at the size of Stable
    Diffusion 1.5 (whole images, 256 px; compiled PyTorch 1.56, bare forwards), 1.4 times with the embedded
    model. Elsewhere PyTorch.
    """
    if asked != "auto":
        return asked
    possible = device == "cpu" and dtype == "float32" and importlib.util.find_spec("openvino") is not None
    return "openvino" if possible else "torch"


def check(name: str, *, device: str, dtype: str, plain: bool) -> None:
    """Raise StudyError for a backend that cannot work here.

    Args:
        name: as the study wrote it.
        device: as resolved.
        dtype: as resolved.
        plain: whether pictures are made by plain calls, not in batches.
    """
    if plain and name not in ("auto", "torch"):
        raise StudyError(f"backend: {name!r} works on batches, and batch = 1 makes plain calls. Leave batch out")
    if name.startswith("openvino") and (device, dtype) != ("cpu", "float32"):
        raise StudyError(f"backend: {name!r} needs device = 'cpu' and dtype = 'float32', not {device!r}, {dtype!r}")


def described(name: str) -> str:
    """A resolved backend with its version, for a fingerprint, where PyTorch's own version stands already.

    PyTorch makes what cannot be batched, if that is the same picture up to rounding; the image's facts say so.
    """
    versioned = f"{name} {version('openvino')}" if name.startswith("openvino") else name
    return versioned if name == "torch" or name in OTHER_PICTURES else f"{versioned}, else torch"


def forwards(name: str, pipe: Any, identity: Mapping[str, object]) -> dict[str, Forward]:
    """For each denoiser of a pipeline, what to call in its place.

    Args:
        name: resolved, one of `NAMES` but "auto".
        pipe: the loaded pipeline, with its LoRA on.
        identity: of the weights and the LoRA; it names the files in the cache of converted models.

    Raises:
        ModuleNotFoundError: OpenVINO is not installed.
    """
    if name == "torch":
        return {}
    models = {part: model for part in DENOISERS if (model := getattr(pipe, part, None)) is not None}
    if name == "compile":
        return {part: compiled(model) for part, model in models.items()}
    precision = "bf16" if name == "openvino-bf16" else "f32"
    converted: dict[str, Forward] = {
        part: OpenVino(model, precision=precision, identity={**identity, "part": part})
        for part, model in models.items()
    }
    if (decoder := getattr(pipe, "vae", None)) is not None:  # in single precision always: it draws the picture
        converted["vae"] = OpenVino(decoder, "decode", precision="f32", identity={**identity, "part": "vae"})
    return converted


def compiled(model: Any) -> Forward:
    """The model through `torch.compile`, for fixed shapes.

    On a CPU with its weights frozen into the code: without that, compiled is slower than eager (0.75 times, measured).
    """
    import torch

    options: dict[str, Any] = {"freezing": True} if next(model.parameters()).device.type == "cpu" else {}
    inner = torch.compile(model, dynamic=False, options=options)
    return partial(_call_by_name, inspect.signature(model.forward), inner)


class OpenVino:
    """A model converted to OpenVINO and compiled for this processor, once for each shape of its arguments.

    The converted model is kept in the cache folder, so that another run reads it and need not convert. Several threads
    may call it at a time: it is compiled with a stream for each lane, on that lane's share of the threads.

    Args:
        model: in float32, on the CPU.
        method: what is called.
        precision: "f32", or "bf16": other pictures, twice as fast where the processor has bfloat16.
        identity: of the weights.
        folder: of the cache; None = the one in Teststrip's cache folder.
    """

    def __init__(
        self,
        model: Any,
        method: str = "forward",
        *,
        precision: str,
        identity: Mapping[str, object],
        folder: Path | None = None,
    ) -> None:
        import openvino
        import torch

        self._model = model
        self._method = method
        self._precision = precision
        self._folder = folder or cache_folder() / "openvino"
        self._identity = {**identity, "openvino": openvino.__version__, "diffusers": version("diffusers")}
        self._signature = inspect.signature(getattr(model, method))
        self._core = openvino.Core()
        self._threads = torch.get_num_threads()  # asked here, because in a lane it is the lane's share
        self._ready: dict[str, Any] = {}
        self._requests: dict[str, deque[Any]] = {}
        self._lock = threading.Lock()  # protects _ready and _requests, which all lanes use

    def __call__(self, *args: Any, **kwargs: Any) -> tuple[Any]:
        """The model's answer as a tuple, as pipelines ask for it (`return_dict=False`)."""
        import torch

        from teststrip.batching.stacking import leaves

        arguments = _by_name(self._signature, args, kwargs)
        if isinstance(next(iter(arguments.values()), None), list):
            raise EngineError("backend 'openvino': this model takes lists of pictures. Write backend = \"torch\"")
        if arguments.pop("return_dict", True):
            raise EngineError(
                "backend 'openvino': this pipeline asks its denoiser for a named answer, OpenVINO gives tuples. "
                'Write backend = "torch"'
            )
        inputs = {path: leaf for path, leaf in leaves(arguments) if isinstance(leaf, torch.Tensor)}
        others = [(path, repr(leaf)) for path, leaf in leaves(arguments) if path not in inputs]
        shapes = [(path, str(tensor.dtype), list(tensor.shape)) for path, tensor in inputs.items()]
        key = digest_of({**self._identity, "arguments": repr((shapes, others))})
        with self._lock:
            if key not in self._ready:
                self._ready[key] = self._compiled(key, arguments, inputs)
                self._requests[key] = deque()
            free = self._requests[key]
            request = free.pop() if free else self._ready[key].create_infer_request()
        # Copied in and out, because OpenVINO keeps its buffers and the rows are still read when the next forward runs.
        answer = request.infer([tensor.contiguous().numpy() for tensor in inputs.values()], share_inputs=False)
        made = torch.from_numpy(answer[0].copy())
        free.append(request)
        return (made,)

    def _compiled(self, key: str, arguments: dict[str, Any], inputs: Mapping[Any, Any]) -> Any:
        from teststrip.batching.lanes import MOST_LANES

        file = self._folder / f"{key[:32]}.xml"
        if not file.is_file():
            self._convert(file, arguments, inputs)
        settings = {
            "INFERENCE_PRECISION_HINT": self._precision,
            "INFERENCE_NUM_THREADS": self._threads,
            "NUM_STREAMS": min(self._threads, MOST_LANES),
        }
        return self._core.compile_model(self._core.read_model(file), "CPU", settings)

    def _convert(self, file: Path, arguments: dict[str, Any], inputs: Mapping[Any, Any]) -> None:
        import openvino
        import torch

        from teststrip.batching.recording import ByPlace

        with torch.inference_mode(mode=False), torch.no_grad(), warnings.catch_warnings():
            # The tracer warns of decisions on shapes (they are fixed here) and of its age (OpenVINO asks for it).
            warnings.simplefilter("ignore")
            examples = tuple(tensor.clone() for tensor in inputs.values())
            enter = partial(_answer_of, getattr(self._model, self._method))
            wrapper = ByPlace(self._model, enter, arguments).eval()
            traced = torch.jit.trace(wrapper, examples, strict=False, check_trace=False)  # type: ignore[no-untyped-call]
            converted = openvino.convert_model(traced, example_input=examples)
        # Shapes are fixed, so that OpenVINO decides everything when it compiles.
        converted.reshape({i: list(tensor.shape) for i, tensor in enumerate(examples)})
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._folder, prefix="new-") as place:
            openvino.save_model(converted, Path(place) / file.name, compress_to_fp16=False)
            # The weights first: a reader that finds the .xml finds both.
            for one in (file.with_suffix(".bin"), file):
                disk.move(Path(place) / one.name, one)


def _answer_of(inner: Forward, arguments: Mapping[str, Any]) -> Any:
    return inner(**arguments, return_dict=False)


def _call_by_name(signature: inspect.Signature, inner: Forward, *args: Any, **kwargs: Any) -> Any:
    return inner(**_by_name(signature, args, kwargs))


def _by_name(signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """All arguments by name, with timesteps in single precision, so that one compiled form serves every scheduler."""
    from teststrip.batching.stacking import TIMES

    arguments = dict(signature.bind(*args, **kwargs).arguments)
    arguments |= arguments.pop("kwargs", {})
    return {name: value.float() if name in TIMES else value for name, value in arguments.items()}


def identity_of(
    facts: Mapping[str, object], adapted: Sequence[Lora], settings: Mapping[str, Value] = MappingProxyType({})
) -> dict[str, object]:
    """What decides a converted model: weights and all that adapts them of a fingerprint's facts, and single scales."""
    changed = {name: canonical_json(facts[name]) for name in ("parts", "attention") if name in facts}
    adapter = facts.get("ip_adapter")
    return changed | {
        **({"ip_adapter": adapter, "ip_adapter_scale": settings.get("ip_adapter_scale")} if adapter else {}),
        "weights": canonical_json(facts.get("weights")),
        "lora": facts.get("lora"),
        "scale": adapted[0].scale if len(adapted) == 1 else None,  # those of a stack are among the facts
        "dtype": facts.get("dtype"),
        "versions": facts.get("versions"),
    }
