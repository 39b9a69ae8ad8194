"""What metrics say of known pictures: the kept page has all of them, and a card confesses where noise scores high."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tests.metrics.pictures import noise, row
from tools import known_pictures

PICTURE = noise(3, 32, 32) // 4 + np.arange(32, dtype=np.uint8)[:, None, None] * 4


def table() -> dict[str, dict[str, float]]:
    """The numbers of the kept page, by metric and way."""
    lines = [line for line in known_pictures.PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    heads, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {
        cells[0].partition("]")[0].strip("["): {
            way: float(cell.replace("−", "-").replace(",", "")) for way, cell in zip(heads[1:], cells[1:], strict=True)
        }
        for cells in rows
    }


def test_the_page_has_every_metric_and_every_way() -> None:
    assert {name: list(values) for name, values in table().items()} == {
        name: list(known_pictures.WAYS) for name in known_pictures.metrics()
    }, "run: python -m tools.known_pictures"


def test_a_metric_that_rates_noise_above_a_picture_says_so_on_its_card() -> None:
    cards = {name: metric.card for name, metric in known_pictures.metrics().items()}
    above = [
        name
        for name, values in table().items()
        if cards[name].arity == 1 and values["noise"] > min(values["as made"], values["another prompt's"])
    ]
    assert {"sharpness", "clip_score"} <= set(above)
    for name in above:
        assert "noise" in cards[name].failure.lower(), name


def test_a_metric_of_pairs_finds_no_picture_nearer_than_the_picture_itself() -> None:
    for name, metric in known_pictures.metrics().items():
        if metric.card.arity == 2:
            own, *others = table()[name].values()
            assert all(own >= other if own > 0 else own <= other for other in others), name


@pytest.mark.parametrize("way", known_pictures.WAYS)
def test_a_way_keeps_the_size_and_spares_the_picture(way: str) -> None:
    before = PICTURE.copy()
    spoilt = known_pictures.WAYS[way](PICTURE, noise(4, 32, 32))
    assert spoilt.shape == PICTURE.shape
    assert spoilt.dtype == np.uint8
    assert np.array_equal(PICTURE, before)


def test_each_kind_of_metric_gets_its_pictures() -> None:
    made = [
        (row(picture, prompt=prompt, replicate=seed), picture)
        for p, prompt in enumerate(("an owl", "a rose"))
        for seed in range(known_pictures.SEEDS)
        for picture in [noise(10 * p + seed, 32, 32)]
    ]
    for name, metric in known_pictures.metrics().items():
        if name != "clip_score":
            assert math.isfinite(known_pictures.rated(metric, made, known_pictures.as_made)), name
    level = known_pictures.metrics()["level"]
    assert known_pictures.rated(level, made, known_pictures.brighter) == 1
