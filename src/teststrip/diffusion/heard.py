"""What Diffusers, Transformers and Peft warn of, caught and sorted: what changes pictures is told, the rest is logged.

An unknown warning is told, so that a new version of a library hides nothing. Knows logging, warnings and words; nothing
of models and shots. To keep a warning from being told, add a line to `QUIET`; a test holds each line against the
sources of the installed libraries.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, TextIO

from teststrip.errors import shortened

LIBRARIES: Final = ("diffusers", "transformers", "peft")
LONGEST: Final = 240
"""Letters of a warning that are kept; some print a whole configuration."""

QUIET: Final = (
    r"\bdeprecated\b",
    "Guiders are currently an experimental feature",
    "Component was not created using `ComponentSpec`",
    "low cpu memory usage because",
    "is group offloaded",
    "activated model offloading",
    "cannot run with `cpu` device",
    "enable_sequential_cpu_offload\\(\\)` might fail",
    "disabled the safety checker",  # the study says so itself
    "Potential NSFW content was detected",  # the shot is refused, with this reason
    "not initially fused for QKV",
    "cannot get type annotation",
    "cannot be saved",
    "Couldn't connect to the Hub",
    "Expected types for",
    "enable_lora_hotswap",
    r"LOAD REPORT\S* from: None",  # of a second LoRA's layers, beside which it misses all of the model's own
    "Already found a `peft_config` attribute",  # there are several LoRAs in memory; those that are on are known
    r"No LoRA keys associated to (?!\{)\w*(Text|Encoder|Gemma|Llama|Mistral|Qwen)",  # most LoRAs leave the text alone
    "Token indices sequence length is longer than",  # the pipeline itself says what it cuts
    "overflowing tokens are not returned",
    "`max_length` is ignored when `padding`",
    "Flash Attention",
    "kernels",
    "`use_cache=True` is incompatible",
    "generative capabilities",
    "caching allocator warmup",
    r"requires torchvision \(not installed\)",  # image processors of CLIP do without
    "local_files_only` is True but no local configs",
    "legacy (CLIP|`from_single_file`) loading",
    "Attention backends are an experimental feature",
    "FasterCache is a purely experimental feature",
    "No `attention_weight_callback` provided",  # the study asked for Diffusers' own choice
    "Unable to import `torchao` Tensor objects",  # for files that are never read
)
"""Patterns of warnings that change no picture, or that are told elsewhere."""

CUT: Final = re.compile(r"(input was truncated because .*? tokens?)\b.*", re.DOTALL)
"""The text encoder did not read all of a prompt."""

_QUIET: Final = re.compile("|".join(QUIET))
_LOG: Final = logging.getLogger("teststrip.libraries")


def tells(text: str) -> bool:
    """Whether a warning may mean other pictures than were asked for.

    >>> tells("Guidance scale 7 is ignored for step-wise distilled models."), tells("`torch_dtype` is deprecated!")
    (True, False)
    """
    return not _QUIET.search(text)


def told(text: str) -> str:
    """A warning as it is kept: on one line, shortened, and without the words of a single prompt.

    >>> told("Your input was truncated because CLIP can only handle sequences up to 77 tokens: a red owl")
    'Your input was truncated because CLIP can only handle sequences up to 77 tokens'
    """
    return shortened(" ".join(CUT.sub(r"\1", text).split()), LONGEST)


class Ear:
    """Collects warnings by the call that they came with.

    Args:
        call: names the call that is under way in this thread; "" = none is.
    """

    def __init__(self, call: Callable[[], str] = str) -> None:
        self._call = call
        self._heard: dict[str, dict[str, None]] = {}

    def take(self, call: str = "") -> tuple[str, ...]:
        """What was heard during a call and is to be told, each once; it is then forgotten."""
        return tuple(self._heard.pop(call, ()))

    def common(self) -> tuple[str, ...]:
        """What was heard so far outside of all calls: it came with forwards that calls share, so with each of them."""
        return tuple(self._heard.get("", ()))

    def hear(self, text: str) -> None:
        """Keep a warning, or log it where it changes nothing."""
        if tells(text):
            self._heard.setdefault(self._call(), {})[told(text)] = None
        else:
            _LOG.info("%s", told(text))

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Within it the libraries print nothing; what they warn of is heard."""
        roots = [logging.getLogger(name) for name in LIBRARIES]
        before = [(root, root.handlers[:], root.level, root.propagate) for root in roots]
        handler = _Handler(self.hear)
        for root in roots:
            root.handlers[:] = [handler]
            root.setLevel(logging.WARNING)
            root.propagate = False
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("always")
                warnings.showwarning = partial(_shown, self.hear)
                yield
        finally:
            for root, handlers, level, propagate in before:
                root.handlers[:] = handlers
                root.setLevel(level)
                root.propagate = propagate

    @staticmethod
    def forget_once() -> None:
        """Let the libraries say again what they say once a process, because the next picture is another level's."""
        once: Any = getattr(logging.Logger, "warning_once", None)
        if clear := getattr(once, "cache_clear", None):
            clear()


class _Handler(logging.Handler):
    """Hands each message over."""

    def __init__(self, hear: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._hear = hear

    def emit(self, record: logging.LogRecord) -> None:
        """Hand the message over; a message that cannot be put together is dropped, as logging itself does."""
        try:
            self._hear(record.getMessage())
        except (TypeError, ValueError):
            self.handleError(record)


def _shown(
    hear: Callable[[str], None],
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Take a Python warning of these libraries; those of others, and of what will be renamed, change no picture."""
    late = issubclass(category, DeprecationWarning | FutureWarning | PendingDeprecationWarning)
    ours = any(f"/{name}/" in filename.replace("\\", "/") for name in LIBRARIES)
    if ours and not late:
        hear(str(message))
    else:
        _LOG.info("%s", told(str(message)))
