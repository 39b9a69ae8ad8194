"""The settings of every stage, and where its working files lie.

Knows recipe.toml, the file TESTSTRIP_RECIPE names (for a further training or a trial: what it says goes before
recipe.toml) and the working folder; not what a stage does.
The working folder is TESTSTRIP_TRAINING, else ~/.cache/teststrip-training: it holds gigabytes and is
no part of the repo.
"""

import os
import tomllib
from pathlib import Path
from types import SimpleNamespace

HERE = Path(__file__).parent
MODELS = HERE.parent / "src" / "teststrip" / "models"
RECIPES = [HERE / "recipe.toml", *(Path(p) for p in [os.environ.get("TESTSTRIP_RECIPE")] if p)]
WORK = Path(os.environ.get("TESTSTRIP_TRAINING", "~/.cache/teststrip-training")).expanduser()


def recipe(stage: str) -> SimpleNamespace:
    """One stage's table of the recipe."""
    settings = {}
    for path in RECIPES:
        settings |= tomllib.loads(path.read_text(encoding="utf-8")).get(stage, {})
    return SimpleNamespace(**settings)


def work(*names: str) -> Path:
    """A path in the working folder; its parents exist afterwards."""
    path = WORK.joinpath(*names)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
