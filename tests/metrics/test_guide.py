"""The pages about metrics are true: the example in the guide works, the reference is what the cards say."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from tests.command import command
from tests.metrics.pictures import single

from teststrip import plugins
from teststrip.metrics import reference

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def white_share():
    """The class as the guide prints it; `tests/test_plug_ins.py` installs it and runs the contract on it."""
    text = (DOCS / "add-a-metric.md").read_text(encoding="utf-8")
    names = {}
    exec(re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)[0], names)
    return names["WhiteShare"]


def test_the_guides_example_counts_white(white_share):
    half = np.zeros((2, 2, 3), np.uint8)
    half[0] = 255
    assert white_share().score([single(half)]) == [0.5]
    assert white_share(level=0).score([single(half)]) == [1.0]


def test_the_reference_is_what_the_cards_say():
    page = (DOCS / "metrics.md").read_text(encoding="utf-8")
    assert page == reference.page(), "run: python -m teststrip.metrics > docs/metrics.md"


@pytest.mark.parametrize("name", sorted(plugins.installed("metrics")))
def test_every_metric_tells_all_its_facts(name):
    told = dict(reference.facts(plugins.load("metrics", name)()))
    assert {"looks at", "range", "better", "needs", "compare", "misleads", "source"} <= set(told)
    assert all(told.values())


@pytest.mark.process
def test_the_command_line_tells_what_the_card_says(tmp_path):
    said = " ".join(command("metrics", "clip_score", cwd=tmp_path).stdout.split())
    card = plugins.load("metrics", "clip_score")().card
    for text in (card.about, card.needs, card.failure, card.source, "option model"):
        assert text in said
    assert card.about in " ".join(command("metrics", cwd=tmp_path).stdout.split())
