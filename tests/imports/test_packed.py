"""Packed folders are not read, and one sentence says what to do."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest
from tests.imports import files
from tests.imports.folders import grid

from teststrip.errors import UsageError
from teststrip.verbs import importing


@pytest.mark.parametrize("name", ["owls.zip", "OWLS.ZIP", "owls.tar.gz", "owls.7z", "owls.rar"])
def test_a_packed_folder_is_refused_by_a_sentence_that_says_to_unpack_it(tmp_path: Path, name: str) -> None:
    packed = tmp_path / "downloads" / name
    packed.parent.mkdir()
    with zipfile.ZipFile(packed, "w") as whole:
        whole.writestr("../owl.png", files.png())
    with pytest.raises(
        UsageError, match=f"{re.escape(name)} is a packed folder[.] Unpack it first, and name the folder$"
    ):
        importing.prepare(packed)
    with pytest.raises(
        UsageError, match=f"no PNG, JPEG or WebP in it, but {re.escape(name)} is a packed folder[.] Unpack it first$"
    ):
        importing.prepare(packed.parent)
    assert [path.name for path in tmp_path.rglob("*")] == ["downloads", name]


def test_a_folder_may_be_called_like_a_packed_one(tmp_path: Path) -> None:
    source = grid(tmp_path / "owls.zip", prompts=("an owl",), seeds=(1,))
    assert len(importing.prepare(source).source.pictures) == 4
