"""Verdicts are found once and kept; a file that is damaged, full or not writable costs time and nothing else."""

from __future__ import annotations

import pytest

from teststrip.diffusion import verdicts
from teststrip.diffusion.verdicts import Verdicts


def test_a_verdict_is_found_once_also_by_another_process(tmp_path):
    file, found = tmp_path / "deep" / "r.jsonl", []

    def find():
        found.append(1)
        return "no ±"

    assert [Verdicts(file).of(["a", 1], find) for _ in range(3)] == ["no ±"] * 3
    assert len(found) == 1
    assert Verdicts(file).of(["a", 2], find) == "no ±"
    assert len(found) == 2


@pytest.mark.parametrize("damage", [b"", b"\xff\xfe", b"[", b'{}\n[1, 2]\n["a"]\n', b"[" * 100_000, b"\n" * 2_200_000])
def test_a_damaged_file_is_asked_in_vain_and_goes_on(tmp_path, damage):
    file = tmp_path / "r.jsonl"
    file.write_bytes(damage)
    assert Verdicts(file).of("a", lambda: "why") == "why"
    assert Verdicts(file).of("a", lambda: "other") == ("why" if not damage or damage[-1:] == b"\n" else "other")
    assert file.stat().st_size <= max(verdicts.MOST_BYTES, len(damage)) + 200
