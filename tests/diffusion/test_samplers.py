"""What other tools' names of samplers stand for are classes of the installed Diffusers that take these options."""

from __future__ import annotations

import diffusers
import pytest

from teststrip import vocabulary


@pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")  # of Diffusers under NumPy 2
@pytest.mark.parametrize("name", sorted(vocabulary.SAMPLER_NAMES))
def test_a_sampler_is_a_class_that_takes_its_options(name: str) -> None:
    own, options = vocabulary.SAMPLER_NAMES[name]
    scheduler = getattr(diffusers, own)(**options)
    assert {key: scheduler.config[key] for key in options} == dict(options)
