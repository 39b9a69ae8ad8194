"""Files of checked lines: what was appended is read, whatever a kill or a hand left between the lines."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teststrip.errors import StoreError
from teststrip.store.lines import LineFile

NAME = "lines.jsonl"
TABLES = st.dictionaries(st.sampled_from(["vote", "asked"]), st.integers() | st.text(), min_size=1)
TORN = st.binary(min_size=1, max_size=30).map(lambda data: data.replace(b"\n", b" "))


@given(steps=st.lists(st.tuples(st.integers(0, 1), TABLES | TORN), max_size=12))
def test_whoever_appends_everyone_reads_what_was_whole(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, dict[str, object] | bytes]]
) -> None:
    """Two processes append by turns; between them one is killed in the middle of a line."""
    folder = tmp_path_factory.mktemp("study")
    writers = LineFile(folder, NAME), LineFile(folder, NAME)
    seen: list[list[object]] = [[], []]
    expected = []
    for who, step in steps:
        if isinstance(step, bytes):
            with (folder / NAME).open("ab") as stream:
                stream.write(step)
            continue
        seen[who] += writers[who].further().tables
        writers[who].append([step])
        seen[who].append(step)
        expected.append(step)
    for who in (0, 1):
        seen[who] += writers[who].further().tables
        assert seen[who] == expected
    assert list(LineFile(folder, NAME).further().tables) == expected


@pytest.mark.parametrize("damage", [(b"owl", b"cat"), (b'"check"', b'"cheek"'), (b"{", b"["), (b'"vote"', b'"wote"')])
def test_a_damaged_line_is_none_and_the_others_stay(tmp_path: Path, damage: tuple[bytes, bytes]) -> None:
    LineFile(tmp_path, NAME).append([{"vote": "an owl"}, {"vote": "a dog"}])
    first, rest = (tmp_path / NAME).read_bytes().split(b"\n", 1)
    (tmp_path / NAME).write_bytes(first.replace(*damage) + b"\n" + rest)
    assert list(LineFile(tmp_path, NAME).further().tables) == [None, {"vote": "a dog"}]


@pytest.mark.parametrize("lines", [0, 1, 2, 5])
def test_another_file_in_its_place_is_noticed_whatever_its_length(tmp_path: Path, lines: int) -> None:
    file = LineFile(tmp_path, NAME)
    file.append([{"vote": 1}, {"vote": 2}])
    LineFile(tmp_path, "other").append([{"vote": 10 * number} for number in range(lines)] or [])
    (tmp_path / "other").touch()
    (tmp_path / "other").replace(tmp_path / NAME)
    further = file.further()
    assert further.anew
    assert further.tables == [{"vote": 10 * number} for number in range(lines)]
    (tmp_path / NAME).unlink()
    assert file.further().anew
    file.append([{"vote": 3}])
    assert list(LineFile(tmp_path, NAME).further().tables) == [{"vote": 3}]
    assert not file.further().anew


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="FIFOs are POSIX's")
def test_only_a_regular_file_is_read_and_written(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / NAME)
    with pytest.raises(StoreError, match="regular file"):
        LineFile(tmp_path, NAME).append([{"vote": 1}])
    with pytest.raises(StoreError, match="regular file"):
        LineFile(tmp_path, NAME).further()
