"""The settings of every stage, and where its working files lie.

Knows recipe.toml (for trials the file TESTSTRIP_RECIPE names) and the working folder; not what a stage does.
The working folder is TESTSTRIP_TRAINING, else ~/.cache/teststrip-training: it holds gigabytes and is
no part of the repo.
"""

import os
import tomllib
from pathlib import Path
from types import SimpleNamespace

HERE = Path(__file__).parent
MODELS = HERE.parent / "src" / "teststrip" / "models"
RECIPE = Path(os.environ.get("TESTSTRIP_RECIPE", HERE / "recipe.toml"))
WORK = Path(os.environ.get("TESTSTRIP_TRAINING", "~/.cache/teststrip-training")).expanduser()


def recipe(stage: str) -> SimpleNamespace:
    """One stage's table of recipe.toml."""
    return SimpleNamespace(**tomllib.loads(RECIPE.read_text(encoding="utf-8"))[stage])


def work(*names: str) -> Path:
    """A path in the working folder; its parents exist afterwards."""
    path = WORK.joinpath(*names)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
