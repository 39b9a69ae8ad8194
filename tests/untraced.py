"""Coverage rests while simulations and random examples run: they repeat a thousand times what other tests run once.

A plug-in of pytest that `tests/conftest.py` loads.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

SIMULATIONS = {
    "test_audit",
    "test_best_simulated",
    "test_asking",
    "test_equality",
    "test_hostile_files",
    "test_missing",
    "test_multiplicity",
    "test_places",
    "test_samples",
    "test_scopes",
    "test_settle",
    "test_ties",
    "test_worlds",
}


@pytest.fixture(scope="module", autouse=True)
def untraced(request: pytest.FixtureRequest) -> Iterator[None]:
    """Stop tracing for a module of simulations, which tracing makes four times as slow."""
    tracer = sys.gettrace()
    if request.path.stem in SIMULATIONS:
        sys.settrace(None)
    yield
    sys.settrace(tracer)
