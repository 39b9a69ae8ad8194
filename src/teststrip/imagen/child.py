"""The program of the process that makes pictures with imagen-pytorch, and the frames that it speaks in.

The run starts this file by its path, with the interpreter that the user's environment names. That interpreter
needs imagen-pytorch and no Teststrip, so this file imports the standard library alone at its top. A request is a frame
on standard input, an answer is a frame on what was standard output; what libraries print goes to standard error.

A frame is `HEAD`: four letters, the bytes of the header, the bytes of the body. Then follow the header, which is JSON,
and the body, which is pixels: float32 [3, H, W] in the byte order of the machine. No pickle crosses.

Four traps of imagen-pytorch 2.1.0 are kept away from here: see `package` and `Model.read`.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import queue
import struct
import sys
import threading
from collections.abc import Iterator, Mapping
from functools import lru_cache, wraps
from hashlib import sha256
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

HEAD = struct.Struct("<4sIQ")
LETTERS = b"TSim"
MOST_HEADER = 2**24
"""Bytes; a prompt may be long, but not of this length."""
MOST_BODY = 2**30
"""Bytes; a picture of 8192 × 8192 pixels has 0.8 of it."""

NEEDED = {
    "torch": "torch",
    "transformers": "transformers",
    "safetensors": "safetensors",
    "imagen_pytorch": "imagen-pytorch",
    "einops": "einops",
    "beartype": "beartype",
    "kornia": "kornia",
    "kornia_rs": "kornia_rs",
    "tqdm": "tqdm",
}
"""Import names of what this program needs, with the names that pip knows."""

MOST_TOKENS = 256
"""As in `imagen_pytorch.t5`: the package cuts every text there."""


def write_frame(stream: BinaryIO, header: Mapping[str, object], body: bytes = b"") -> None:
    """Write one frame and flush the stream."""
    text = json.dumps(header).encode("ascii")
    stream.write(HEAD.pack(LETTERS, len(text), len(body)) + text + body)
    stream.flush()


def read_frame(stream: BinaryIO) -> tuple[dict[str, Any], bytes]:
    """Read one frame.

    Raises:
        EOFError: the stream ended before the frame began.
        ValueError: these bytes are no frame.
    """
    head = stream.read(HEAD.size)
    if not head:
        raise EOFError
    if len(head) < HEAD.size or head[:4] != LETTERS:
        raise ValueError("bytes that are no frame")
    _, length, size = HEAD.unpack(head)
    if length > MOST_HEADER or size > MOST_BODY:
        raise ValueError("a frame of impossible size")
    text, body = stream.read(length), stream.read(size)
    if len(text) < length or len(body) < size:
        raise ValueError("a frame that is cut off")
    try:
        header = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("a frame whose header is no JSON") from None
    if not isinstance(header, dict):
        raise ValueError("a frame whose header is no table")  # noqa: TRY004 - one class for all that is no frame
    return header, body


def package() -> Any:
    """The module `imagen_pytorch.imagen_pytorch`, imported without the hub, without `datasets`, without torchvision.

    The package's own `__init__` is never run, because it imports the trainer, which needs more packages. A default of
    an argument in its source asks the hub for a configuration, unless that configuration is here already.
    torchvision is imported by the package for pictures of PIL, which nothing here asks for: an empty module stands in
    its place while the package is imported, and only where torchvision is not installed.
    """
    from transformers import T5Config, T5EncoderModel  # noqa: F401 - before any empty torchvision is there

    found = find_spec("imagen_pytorch")
    assert found is not None
    bare = ModuleType("imagen_pytorch")
    bare.__path__ = list(found.submodule_search_locations or ())
    bare.__spec__ = found
    sys.modules["imagen_pytorch"] = bare
    t5 = import_module("imagen_pytorch.t5")
    t5.T5_CONFIGS[t5.DEFAULT_T5_NAME] = {"config": T5Config(d_model=768)}  # every model here says its own width
    with _torchvision():
        return import_module("imagen_pytorch.imagen_pytorch")


@contextlib.contextmanager
def _torchvision() -> Iterator[None]:
    if find_spec("torchvision") is not None:
        yield
        return
    names = ("torchvision", "torchvision.transforms")
    for name in names:
        empty = ModuleType(name)
        empty.__spec__ = ModuleSpec(name, None)
        sys.modules[name] = empty
    vars(sys.modules[names[0]])["transforms"] = sys.modules[names[1]]
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]


def about(device: str) -> dict[str, object]:
    """What this interpreter has: versions, what is missing, and the device that `device` stands for.

    Raises:
        ValueError: the device is not there.
    """
    missing = [name for module, name in NEEDED.items() if find_spec(module) is None]
    versions = {name: _version(name) for name in ("imagen-pytorch", "torch", "transformers", "torchvision")}
    resolved = device if "torch" in missing else _device(device)
    return {"missing": missing, "versions": versions, "python": platform.python_version(), "device": resolved}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _device(asked: str) -> str:
    if asked == "cpu" or (asked == "auto" and not _gpu_possible()):
        return "cpu"
    import torch

    there = [name for name, has in (("cuda", torch.cuda), ("mps", torch.backends.mps)) if has.is_available()]
    if asked == "auto":
        return [*there, "cpu"][0]
    if asked not in there:
        raise ValueError(f"this PyTorch ({torch.__version__}) sees no such device. There is: {[*there, 'cpu']}")
    return asked


def _gpu_possible() -> bool:
    """Whether importing torch, which takes seconds, could find a GPU."""
    if sys.platform == "darwin":
        return True
    found = find_spec("torch")
    libraries = Path(found.origin).parent / "lib" if found and found.origin else Path()
    return any(any(libraries.glob(f"*torch_{kind}*")) for kind in ("cuda", "hip"))


class Model:
    """A loaded model, which draws one picture a call.

    Args:
        spec: `config` (arguments of `Imagen`, with `unets`), `weights` and `text_encoder` (places), `ema`.
        device: as `torch` spells it.
        step: called before each forward of a stage.
    """

    def __init__(self, spec: Mapping[str, Any], device: str, step: Any) -> None:
        from transformers import AutoTokenizer, T5EncoderModel

        source = package()
        config = dict(spec["config"])
        unets = [source.Unet(**unet) for unet in config.pop("unets")]
        self._imagen = source.Imagen(unets, **config)
        self._imagen.load_state_dict(_weights(Path(spec["weights"]), ema=spec["ema"]))
        self._imagen.eval().to(device)
        for unet in self._imagen.unets:
            unet.forward = _counted(unet.forward, step)  # guidance calls it past the hooks of modules
        self._device = device
        self._longest = min(unet.get("max_text_len", MOST_TOKENS) for unet in spec["config"]["unets"])
        folder = spec["text_encoder"]
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        load: Any = T5EncoderModel.from_pretrained
        self._encoder, report = load(
            folder, local_files_only=True, use_safetensors=True, dtype="float32", output_loading_info=True
        )
        if gaps := sorted(map(str, report["missing_keys"])):
            raise ValueError(f"the text encoder lacks {len(gaps)} tensors, {gaps[0]} among them")
        self._encoder.eval().to(device)
        self._read = lru_cache(16)(self.read)

    def read(self, prompt: str) -> tuple[Any, Any, dict[str, object]]:
        """The embeddings of a text [1, T, D], their mask [1, T], and what was read.

        The package's own way calls a method of tokenizers that Transformers 5 no longer has.
        """
        import torch

        tokens = self._tokenizer(prompt, return_tensors="pt", truncation=True, max_length=MOST_TOKENS)
        ids, mask = tokens.input_ids.to(self._device), tokens.attention_mask.to(self._device)
        with torch.no_grad():
            embeddings = self._encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        mask = mask.bool()
        said = self._tokenizer(prompt).input_ids  # all of them, with the one that ends a text
        kept = ids[0, : self._longest].tolist()
        heard = next((at for at, (one, other) in enumerate(zip(kept, said, strict=False)) if one != other), len(kept))
        facts: dict[str, object] = {"read": sha256(json.dumps(kept).encode()).hexdigest()[:16]}
        if lost := self._tokenizer.decode(said[heard:], skip_special_tokens=True).strip():
            facts["lost"] = lost
        return embeddings.masked_fill(~mask[..., None], 0.0), mask, facts

    def draw(self, asked: Mapping[str, Any]) -> tuple[Any, dict[str, object]]:
        """The picture float32 [3, H, W], and what was read. Every setting is set anew, so none stays from before."""
        import torch

        embeddings, mask, facts = self._read(asked["prompt"])
        for schedule, steps in zip(self._imagen.noise_schedulers, asked["timesteps"], strict=True):
            schedule.num_timesteps = steps
        self._imagen.dynamic_thresholding = tuple(asked["dynamic_thresholding"])
        self._imagen.dynamic_thresholding_percentile = asked["dynamic_thresholding_percentile"]
        torch.manual_seed(asked["seed"])  # the package draws all of its noise from the global generators
        pictures = self._imagen.sample(
            text_embeds=embeddings,
            text_masks=mask,
            cond_scale=tuple(asked["cond_scale"]),
            cfg_remove_parallel_component=asked["cfg_remove_parallel_component"],
            cfg_keep_parallel_frac=asked["cfg_keep_parallel_frac"],
            lowres_sample_noise_level=asked["lowres_sample_noise_level"],
            stop_at_unet_number=asked["stop_at_unet_number"],
            use_tqdm=False,
        )
        return pictures[0].float().cpu().contiguous(), facts


def _counted(forward: Any, step: Any) -> Any:
    @wraps(forward)
    def counted(*positional: Any, **named: Any) -> Any:
        step()
        return forward(*positional, **named)

    return counted


def _weights(file: Path, *, ema: bool) -> dict[str, Any]:
    """The tensors of `Imagen`: of a safetensors file, or of a trainer's checkpoint, which may run no code."""
    if file.suffix == ".safetensors":
        from safetensors.torch import load_file

        return dict(load_file(file))
    import torch

    saved = torch.load(file, map_location="cpu", weights_only=True)
    state = dict(saved["model"])
    for name, tensor in saved.get("ema", {}).items() if ema else ():
        number, part, rest = [*name.split(".", 2), ""][:3]
        if part == "ema_model":  # beside the trained weights and counters of the average
            state[f"unets.{number}.{rest}"] = tensor
    return state


class Desk:
    """Answers requests, one after another."""

    def __init__(self, answers: BinaryIO) -> None:
        self._answers = answers
        self._loaded = ""
        self._model: Model | None = None
        self._calls = 0

    def answer(self, request: Mapping[str, Any]) -> None:
        """Write the answer to one request; whatever goes wrong becomes an answer, too."""
        phase = "about"
        try:
            if request["do"] == "about":
                self._say({"is": "about", **about(request["device"])})
                return
            phase = "load"
            model = self._get(request["model"], request["device"])
            phase, self._calls = "picture", 0
            picture, facts = model.draw(request["asked"])
        except Exception as error:  # the edge of the process
            self._say({"is": "failed", "phase": phase, **_explained(error)})
        else:
            facts = {"denoiser_calls": self._calls, **facts}
            self._say({"is": "picture", "shape": list(picture.shape), "facts": facts}, picture.numpy().tobytes())

    def _get(self, spec: Mapping[str, Any], device: str) -> Model:
        key = json.dumps(spec, sort_keys=True)
        if self._model is None or key != self._loaded:
            self._model = None  # its memory is given back before the next model is loaded
            self._model, self._loaded = Model(spec, device, self._step), key
        return self._model

    def _step(self) -> None:
        self._calls += 1
        self._say({"is": "step"})

    def _say(self, header: Mapping[str, object], body: bytes = b"") -> None:
        write_frame(self._answers, header, body)


def _explained(error: Exception) -> dict[str, object]:
    """Class of failure and one line of what an error says."""
    text = next(iter(str(error).strip().splitlines()), "no message")
    if "torchvision" in str(error):
        text += ". A torchvision that does not fit this torch breaks it: pip uninstall torchvision"
    memory = isinstance(error, MemoryError) or "out of memory" in str(error).lower()
    wrong = isinstance(error, ValueError | TypeError | AssertionError)
    reason = "oom" if memory else "invalid" if wrong else "error"
    return {"reason": reason, "text": f"{type(error).__name__}: {text}", "retryable": not wrong}


def main() -> None:
    """Answer until standard input ends, which it also does when the run is killed."""
    own = Path(__file__).parent
    sys.path[:] = [place for place in sys.path if Path(place or ".").resolve() != own]
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
    asked, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not stand between two frames
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    waiting: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()

    def listen() -> None:
        # In a thread, so that the process ends with its run even in the middle of a picture.
        with contextlib.suppress(EOFError, ValueError, OSError):
            while True:
                waiting.put(read_frame(asked)[0])
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    desk = Desk(answers)
    while True:
        desk.answer(waiting.get())


if __name__ == "__main__":
    main()
