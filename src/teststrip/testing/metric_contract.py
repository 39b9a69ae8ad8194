"""What every Metric keeps: one suite, run on each implementation.

To use it: subclass, and give the fixtures `metric` (a new one, with the options it needs) and `items` (at least three
items, as its arity says).
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence

import numpy as np

from teststrip import plugins
from teststrip.protocols import ArrangedMetric, Item, Metric
from teststrip.records import Setting, canonical_json
from teststrip.vocabulary import spoken

SIZES = ("width", "height")
"""Settings that a card names in `equal` exactly where it names them in words."""

KINDS = {"float": float, "int": int, "str": str, "bool": bool}


class MetricContract:
    """Tests that hold for any metric."""

    # Two values of one item may differ by this much when it shares a batch with others: 0 unless a model is asked.
    batch_tolerance = 0.0

    def test_it_fits_the_seam(self, metric: Metric) -> None:
        assert isinstance(metric, Metric)
        assert metric.card.arity in {1, 2, None}
        if metric.card.arity == 2:
            said = [bool(metric.card.against), isinstance(metric, ArrangedMetric)]
            assert said.count(True) == 1, "a metric of pairs says once which images belong together"

    def test_it_is_found_by_its_name(self, metric: Metric) -> None:
        assert plugins.load("metrics", metric.card.name) is type(metric)

    def test_its_card_says_range_source_failure_and_where_values_compare(self, metric: Metric) -> None:
        card = metric.card
        assert card.low < card.high
        for sentence in (card.about, card.failure):
            assert sentence[0].isupper() or sentence[0].isdigit()
            assert sentence.endswith(".")
        assert card.source
        assert card.comparable
        for name in card.equal:
            assert spoken(name) in card.comparable, f"`comparable` says nothing of {name}, which must be equal"
        for name in SIZES:
            assert (name in card.comparable) == (name in card.equal), f"`comparable` tells the rule `equal`: {name}"
        if card.describes:
            assert card.higher_is_better is None, "where an end is good, the metric does more than describe"

    def test_every_option_is_an_argument_of_the_class_and_the_other_way_round(self, metric: Metric) -> None:
        arguments = inspect.signature(type(metric)).parameters
        assert set(arguments) == set(metric.options)
        for name, setting in metric.options.items():
            assert isinstance(setting, Setting)
            assert setting.name == name
            assert setting.doc.endswith("."), f"{name} has no sentence"
            assert arguments[name].kind is inspect.Parameter.KEYWORD_ONLY
            assert arguments[name].default == setting.default
            assert setting.default is None or type(setting.default) is KINDS[setting.kind]

    def test_its_fingerprint_is_stable_plain_and_names_it(self, metric: Metric) -> None:
        first, second = metric.fingerprint(), metric.fingerprint()
        assert first.id == second.id
        assert first.facts["metric"] == metric.card.name
        assert canonical_json(dict(first.facts))

    def test_each_item_gets_one_number_inside_the_range(self, metric: Metric, items: Sequence[Item]) -> None:
        values = metric.score(items)
        assert len(values) == len(items)
        for value in values:
            assert math.isnan(value) or metric.card.low <= value <= metric.card.high

    def test_the_items_of_this_test_are_not_all_out_of_its_reach(self, metric: Metric, items: Sequence[Item]) -> None:
        assert any(math.isfinite(value) for value in metric.score(items))

    def test_no_items_give_no_numbers(self, metric: Metric) -> None:
        assert list(metric.score([])) == []

    def test_a_score_does_not_depend_on_who_else_is_asked(self, metric: Metric, items: Sequence[Item]) -> None:
        together = metric.score(items)
        alone = [metric.score([item])[0] for item in items]
        backwards = list(metric.score(items[::-1]))[::-1]
        np.testing.assert_allclose(alone, together, rtol=0, atol=self.batch_tolerance)
        np.testing.assert_allclose(backwards, together, rtol=0, atol=self.batch_tolerance)

    def test_it_leaves_the_pixels_as_they_are(self, metric: Metric, items: Sequence[Item]) -> None:
        before = [array.copy() for item in items for array in item.pixels]
        for array in (array for item in items for array in item.pixels):
            array.flags.writeable = False
        metric.score(items)
        after = [array for item in items for array in item.pixels]
        assert all(np.array_equal(old, new) for old, new in zip(before, after, strict=True))

    def test_one_pixel_is_enough_of_a_picture(self, metric: Metric, items: Sequence[Item]) -> None:
        for level in (0, 255):
            tiny = [Item(i.rows, tuple(np.full((1, 1, 3), level, np.uint8) for _ in i.pixels)) for i in items[:1]]
            assert len(metric.score(tiny)) == 1
