"""What libraries say: with `--verbose` what changes no picture, each line once; never what they say of themselves."""

from __future__ import annotations

import logging
from typing import Final

from teststrip.cli.words import err

OF_THEMSELVES: Final = (
    "bitsandbytes",
    "diffusers.quantizers.torchao.torchao_quantizer",
    "torch.utils._pytree",
    "torchao",
)
"""Loggers that warn at each start of parts of a library that it does without on this machine."""


class _Printed(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._seen: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if text not in self._seen:
            self._seen.add(text)
            err.print(f"library: {text}", markup=False)


def print_them() -> None:
    """Print from now on what is otherwise only logged under `teststrip.libraries`."""
    log = logging.getLogger("teststrip.libraries")
    log.addHandler(_Printed())
    log.setLevel(logging.INFO)
    log.propagate = False


def hush() -> None:
    """Let libraries that were installed beside Diffusers be loaded without a word; their errors are still logged."""
    for name in OF_THEMSELVES:
        logging.getLogger(name).setLevel(logging.ERROR)
