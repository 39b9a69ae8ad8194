"""Says what this machine has for making pictures, what is missing, and how to get it. Changes nothing, asks no network.

A library that is installed but broken may end the process that loads it, so each of `LOADED` gets one of its own.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

from teststrip import __version__, plugins
from teststrip.analysis.sentences.phrases import count
from teststrip.errors import TeststripError, shortened
from teststrip.weights.digests import cache_folder

FOR: Mapping[str, str] = {
    "diffusers": "makes pictures with Stable Diffusion and other models, and CLIP scores",
    "openvino": "makes pictures faster on processors",
    "wandb": "sends studies to Weights & Biases",
    "mlflow": "sends studies to MLflow",
    "trackio": "sends studies to Trackio",
    "tensorboard": "writes studies for TensorBoard",
    "parquet": "exports tables as Parquet",
    "pdf": "exports figures as PDF",
    "quantization": "loads models in fewer bits",
    "compel": "reads weights in prompts, as (red:1.2)",
    "openai": "asks OpenAI's image models, and services like them",
    "google": "asks Google's image models",
    "web": "asks web UIs, and services that you declare",
    "ray": "makes pictures on a cluster",
    "s3": "writes exports and copies of pictures to s3:// and other URLs",
}
"""What each extra of the package is for."""

SHARED: Mapping[str, str] = {"google": "google-genai", "optimum": "optimum-quanto"}
"""Packages under an import name that others have, too."""

LOADED = ("torch", "diffusers", "transformers", "openvino")
"""The libraries that make pictures. Doctor loads them, because some are installed and do not work."""
PATIENCE = 120
"""Seconds that a library may take to load."""
HUB = ("HF_HOME", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "HF_ENDPOINT", "TESTSTRIP_CACHE", "CUDA_VISIBLE_DEVICES")
"""Environment variables that decide what is found."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """A device that PyTorch sees beside the processor.

    Attributes:
        device: as `[engine] device` names it.
        name: of the hardware.
        memory: gibibytes of its own; None where it shares the memory of the machine.
    """

    device: str
    name: str
    memory: float | None


@dataclass(frozen=True, slots=True)
class Library:
    """A library that an extra brings.

    Attributes:
        name: of the module.
        extra: of this package.
        version: that is installed; "" = none.
        broken: why it does not load; "" = it does, or was not tried.
    """

    name: str
    extra: str
    version: str
    broken: str = ""


@dataclass(frozen=True, slots=True)
class Cache:
    """A folder of files that can be computed or fetched again.

    Attributes:
        what: it holds.
        folder: where it is.
        gigabytes: of its files.
        models: how many hub models it has; None = it is no cache of models.
    """

    what: str
    folder: str
    gigabytes: float
    models: int | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """What one machine has.

    Attributes:
        teststrip, python, system: versions.
        cores: that this process may use.
        memory: gibibytes of the machine; None where the system does not say.
        disk: gigabytes that are free where this command runs.
        gpus: that PyTorch sees.
        driver: whether the command of NVIDIA's driver is here.
        libraries: of all extras.
        parts: of other packages that do not load, with the reason.
        caches: and their size.
        variables: of the environment that are set and matter.
        encoding: of standard output.
    """

    teststrip: str
    python: str
    system: str
    cores: int
    memory: float | None
    disk: float
    gpus: tuple[Gpu, ...]
    driver: bool
    libraries: tuple[Library, ...]
    parts: tuple[tuple[str, str], ...]
    caches: tuple[Cache, ...]
    variables: Mapping[str, str]
    encoding: str

    def as_json(self) -> dict[str, object]:
        """Everything, as plain values for programs."""
        return asdict(self)

    def lines(self) -> Iterator[str]:
        """Everything, in lines for people."""
        memory = "" if self.memory is None else f", {self.memory:.0f} GiB of memory"
        yield f"teststrip {self.teststrip}, Python {self.python}, {self.system}"
        yield f"{self.cores} processor cores{memory}, {self.disk:.0f} GB free on this disk, text as {self.encoding}"
        yield from self._devices()
        yield from self._installed()
        yield from self._troubles()
        yield ""
        for cache in self.caches:
            models = "" if cache.models is None else f", {count(cache.models, 'model')}"
            yield f"{cache.what}: {cache.folder} ({size(cache.gigabytes)}{models})"
        for name, value in self.variables.items():
            yield f"{name} = {value}"

    def _devices(self) -> Iterator[str]:
        for gpu in self.gpus:
            memory = "" if gpu.memory is None else f", {gpu.memory:.0f} GiB"
            yield f"GPU: {gpu.name}{memory} (device {gpu.device!r})"
        if self.gpus or not any(one.name == "torch" and one.version and not one.broken for one in self.libraries):
            return  # without PyTorch nothing was looked at
        if self.driver:
            yield "NVIDIA's driver is here, but PyTorch sees no GPU. Install a build of torch with CUDA (pytorch.org)"
        else:
            yield "No GPU that PyTorch sees: pictures are made on the processor, and the embedded model is quick there"

    def _installed(self) -> Iterator[str]:
        yield ""
        for extra, purpose in FOR.items():
            own = [library for library in self.libraries if library.extra == extra]
            there = ", ".join(f"{library.name} {library.version}" for library in own if library.version)
            missing = [library.name for library in own if not library.version]
            if not missing:
                yield f"  installed  {purpose}: {there}"
            else:
                partly = f" (has {there}; lacks {', '.join(missing)})" if there else ""
                yield f"  missing    {purpose}{partly}: pip install 'teststrip[{extra}]'"

    def _troubles(self) -> Iterator[str]:
        for library in self.libraries:
            if library.broken:
                again = f"pip install --force-reinstall {library.name}"
                yield f"  broken     {library.name} is installed but does not load: {library.broken}. Try: {again}"
        for name, why in self.parts:
            yield f"  broken     {name} does not load: {why}"


def examine(loaded: Sequence[str] = LOADED) -> Health:
    """Look at this machine. Takes the seconds that the libraries take to load.

    Args:
        loaded: the libraries to load.
    """
    there = {module: _version(module) for module in plugins.EXTRAS}
    with ThreadPoolExecutor() as pool:
        gpus = pool.submit(_gpus) if there["torch"] else None
        broken = dict(zip(loaded, pool.map(_broken, loaded), strict=True))
        return Health(
            teststrip=__version__,
            python=platform.python_version(),
            system=f"{platform.system()} {platform.release()} {platform.machine()}",
            cores=_cores(),
            memory=_memory(),
            disk=shutil.disk_usage(Path.cwd()).free / 1e9,
            gpus=gpus.result() if gpus else (),
            driver=shutil.which("nvidia-smi") is not None,
            libraries=tuple(
                Library(module, extra, there[module], broken.get(module, ""))
                for module, extra in plugins.EXTRAS.items()
            ),
            parts=tuple(_parts()),
            caches=tuple(_caches()),
            variables={name: os.environ[name] for name in HUB if name in os.environ},
            encoding=getattr(sys.stdout, "encoding", None) or "utf-8",
        )


def size(gigabytes: float) -> str:
    """A size for people.

    >>> size(0), size(0.0123), size(2.06)
    ('empty', '12 MB', '2.1 GB')
    """
    if gigabytes >= 1:
        return f"{gigabytes:.1f} GB"
    return f"{max(gigabytes * 1000, 1):.0f} MB" if gigabytes else "empty"


def print_gpus() -> None:
    """Print what PyTorch sees as JSON; runs in a process of its own."""
    import torch

    from teststrip.weights.loading import devices

    found = []
    if "cuda" in devices():
        for number in range(torch.cuda.device_count()):
            seen = torch.cuda.get_device_properties(number)
            found.append(Gpu(f"cuda:{number}" if number else "cuda", seen.name, seen.total_memory / 2**30))
    if "mps" in devices():
        found.append(Gpu("mps", f"Apple {platform.machine()}", None))
    sys.stdout.write(json.dumps([asdict(gpu) for gpu in found]))


def _gpus() -> tuple[Gpu, ...]:
    done = _python("from teststrip.verbs.doctor import print_gpus; print_gpus()")
    # The last line alone, because libraries may print, too.
    return tuple(Gpu(**gpu) for gpu in json.loads(done.stdout.splitlines()[-1])) if done and not done.returncode else ()


def _broken(module: str) -> str:
    if find_spec(module) is None:
        return ""
    done = _python(f"import {module}")
    if done is None:
        return f"it takes more than {PATIENCE} seconds"
    if done.returncode < 0:
        return f"loading it ended the process by signal {-done.returncode}"
    said = done.stderr.strip().splitlines()
    return shortened(said[-1] if said else f"exit code {done.returncode}") if done.returncode else ""


def _python(code: str) -> subprocess.CompletedProcess[str] | None:
    """What a fresh interpreter says to some code; None when it says nothing in time."""
    words = [sys.executable, "-P", "-W", "ignore", "-c", code]  # -P: no module of the working folder
    try:
        return subprocess.run(  # noqa: S603 - words of our own
            words, capture_output=True, encoding="utf-8", errors="replace", timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        return None


def _version(module: str) -> str:
    if package := SHARED.get(module):
        return plugins.version_of(package) or ""
    return (plugins.version_of(module) or "of unknown version") if find_spec(module) else ""


def _parts() -> Iterator[tuple[str, str]]:
    """Parts of other packages that do not load; for our own the extras say what is missing."""
    kinds: tuple[plugins.Kind, ...] = ("engines", "metrics", "trackers")
    for kind in kinds:
        for name, point in plugins.installed(kind).items():
            if point.value.startswith("teststrip."):
                continue
            try:
                plugins.load(kind, name)
            except TeststripError as error:
                yield f"{kind[:-1]} {name}", str(error)
            except Exception as error:  # a stranger's module may raise anything
                yield f"{kind[:-1]} {name}", shortened(f"{type(error).__name__}: {error}")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _memory() -> float | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (AttributeError, OSError, ValueError):  # Windows has no sysconf
        return None


def _caches() -> Iterator[Cache]:
    yield Cache("What Teststrip can compute again", str(cache_folder()), _gigabytes(cache_folder()))
    if find_spec("huggingface_hub"):
        from huggingface_hub.constants import HF_HUB_CACHE

        folder = Path(HF_HUB_CACHE)
        yield Cache("Models of the hub", str(folder), _gigabytes(folder), sum(1 for _ in folder.glob("models--*")))


def _gigabytes(folder: Path) -> float:
    """The size of all files below a folder. Links are not followed, because the hub's cache links to its own files."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # a file may go while it is counted
                total += Path(place, name).lstat().st_size
    return total / 1e9
