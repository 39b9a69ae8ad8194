"""Costs come from the image's record, and are missing where the engine did not count."""

from __future__ import annotations

import math

import pytest
from tests.metrics.pictures import noise, row

from teststrip.metrics.cost import DenoiserCalls, Seconds
from teststrip.protocols import Item
from teststrip.testing.metric_contract import MetricContract


@pytest.mark.parametrize("kind", [Seconds, DenoiserCalls])
class TestCostsKeepTheContract(MetricContract):
    @pytest.fixture
    def metric(self, kind):
        return kind()

    @pytest.fixture
    def items(self):
        counted = [{"denoiser_calls": 100}, {"denoiser_calls": 51.0}, {}]
        return [Item((row(noise(0), replicate=n, seconds=n / 4, facts=f),), ()) for n, f in enumerate(counted)]


def test_costs_are_what_the_engine_counted():
    item = Item((row(noise(0), seconds=1.5, facts={"denoiser_calls": 102}),), ())
    assert Seconds().score([item]) == [1.5]
    assert DenoiserCalls().score([item]) == [102.0]


@pytest.mark.parametrize("facts", [{}, {"denoiser_calls": None}, {"denoiser_calls": "many"}])
def test_what_was_not_counted_is_not_a_number(facts):
    assert math.isnan(DenoiserCalls().score([Item((row(noise(0), facts=facts),), ())])[0])
