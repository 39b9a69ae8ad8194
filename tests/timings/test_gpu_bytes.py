"""The bytes check of `bench.gpu` on tiny models of every family, in every format that it claims."""

import pytest
import torch
from bench.gpu.calls import FAMILIES
from bench.gpu.checks import same_bytes
from bench.gpu.sections import Setup, measured

UNHURRIED = Setup(torch.device("cpu"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning")  # of Diffusers about its own pipelines
@pytest.mark.parametrize("family", [family for family in FAMILIES if family != "hidream"])  # which takes minutes
def test_a_picture_of_each_family_has_its_bytes_beside_any_neighbours_in_every_format(family):
    parts = [part for part in same_bytes(UNHURRIED) if part.name == family]
    section = measured(parts, UNHURRIED, limit=3600)
    assert not section.broken
    assert not section.left_out
    found = section.parts[family]
    assert found.keys() == {*UNHURRIED.formats, "holds"}
    assert found["holds"], found
