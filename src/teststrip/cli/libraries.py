"""`--verbose`: what Diffusers and Transformers say that changes no picture, each line once, on standard error."""

from __future__ import annotations

import logging

from teststrip.cli.words import err


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
