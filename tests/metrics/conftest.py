"""Tiny models on disk, made once for all tests of metrics."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """Makes a tiny model of `tests.tiny_vision` by name, once; gives back its folder."""
    from tests import tiny_vision  # transformers: seconds

    made = {}

    def folder(kind: str, seed: int = 0, **options: object) -> str:
        key = (kind, seed, *options.items())
        if key not in made:
            made[key] = str(getattr(tiny_vision, kind)(tmp_path_factory.mktemp(kind), seed, **options))
        return made[key]

    return folder
