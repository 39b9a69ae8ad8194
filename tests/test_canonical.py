"""Any configuration that a library writes is identity: it hashes, it is stored, and it reads back as itself."""

from __future__ import annotations

import json
import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from teststrip.pictures.stamps import from_json, to_json
from teststrip.records import Fingerprint, Render, Shot, canonical_json, digest_of, plain
from teststrip.records.asked import EngineRef

FINITE = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | FINITE | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
LIKE_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.floats(width=32).map(np.float32),
    lambda inner: st.lists(inner, max_size=4) | st.lists(inner, max_size=4).map(tuple)
    | st.dictionaries(st.text() | st.integers(), inner, max_size=4) | st.frozensets(st.floats() | st.text(), max_size=4)
    | st.lists(st.floats(), max_size=4).map(np.array),
    max_leaves=12,
)  # fmt: skip


@given(JSON)
def test_what_is_plain_json_already_keeps_its_digest(value: object) -> None:
    assert digest_of(plain(value)) == digest_of(value)


@given(st.dictionaries(st.text(), LIKE_JSON, max_size=4))
def test_any_configuration_has_one_digest_in_memory_in_the_ledger_and_read_from_json(facts: dict[str, object]) -> None:
    first = Fingerprint(facts)
    assert Fingerprint(first.facts).id == first.id
    assert Fingerprint(json.loads(canonical_json(first.facts))).id == first.id
    stored = from_json(to_json(first.facts))
    assert isinstance(stored, dict)
    assert Fingerprint(stored).id == first.id
    render = Render(Shot(EngineRef("pattern"), {}), b"", "png", 1, 1, 0.0, first, facts)
    assert render.facts == first.facts


def test_infinity_minus_infinity_nan_and_a_large_number_are_four_things() -> None:
    values = (math.inf, -math.inf, math.nan, 1e308)
    assert len({Fingerprint({"lambda_min_clipped": value}).id for value in values}) == 4
