"""What is alive when a module of tests begins is left alone by the garbage collector.

Engines collect garbage whenever they give a model back. In a process that has Diffusers and a thousand tests in memory,
each full collection would take seconds, and find nothing among what lives until the end. A plug-in of pytest that
`tests/conftest.py` loads.
"""

from __future__ import annotations

import gc

import pytest


@pytest.fixture(scope="module", autouse=True)
def frozen() -> None:
    """Take what is there out of the collector's sight, once a module."""
    gc.collect()
    gc.freeze()
