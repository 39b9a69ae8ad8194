"""Coverage rests where tests run again what others have run, because tracing can double or quadruple their time.

Simulations and random examples repeat a thousand times what their neighbours run once. Tests of pages and of services
make small studies, whose rooms have tests of their own. A plug-in of pytest that `tests/conftest.py` loads.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PLACES = {"comfy", "dalle_mini", "declared", "golden", "hosted", "views", "webui"}
SIMULATIONS = {
    "test_asking",
    "test_audit",
    "test_best_simulated",
    "test_calibration",
    "test_equality",
    "test_fidelity_simulated",
    "test_hostile_files",
    "test_missing",
    "test_multiplicity",
    "test_places",
    "test_samples",
    "test_scopes",
    "test_settle",
    "test_ties",
    "test_toy_diffusion",
    "test_worlds",
}


def is_traced(path: Path) -> bool:
    """Whether the lines that the tests of this file run are counted."""
    return path.stem not in SIMULATIONS and path.relative_to(HERE).parts[0] not in PLACES


@pytest.fixture(scope="module", autouse=True)
def untraced(request: pytest.FixtureRequest) -> Iterator[None]:
    """Stop tracing, in new threads too, for a module that does not count."""
    tracer, of_threads = sys.gettrace(), threading.gettrace()
    if not is_traced(request.path):
        sys.settrace(None)
        threading.settrace(None)
    yield
    sys.settrace(tracer)
    threading.settrace(of_threads)
