"""Places at URLs: what is written is found again, and what cannot be meant is refused before anything is asked."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teststrip.elsewhere import Elsewhere, is_url
from teststrip.errors import MissingExtra, StoreError, UsageError


@given(files=st.dictionaries(st.sampled_from(["a", "b/c", "images/ab/x.png", "ü x"]), st.binary(max_size=50)))
def test_what_was_put_is_there_with_its_size(files: dict[str, bytes]) -> None:
    place = Elsewhere(f"memory://{uuid.uuid4().hex}/study")
    assert place.sizes() == {}
    place.put(files)
    place.put(files)
    assert place.sizes() == {name: len(data) for name, data in files.items()}


def test_a_file_is_put_at_its_own_url() -> None:
    folder = f"memory://{uuid.uuid4().hex}"
    Elsewhere(f"{folder}/a/b.csv").put({"": b"x,y"})
    assert Elsewhere(folder).sizes() == {"a/b.csv": 3}


@pytest.mark.parametrize("path", ["runs/little", "/tmp/x", "C:/runs", "C:\\runs", "a:b", "", "s3:/bucket", "x://y"])
def test_a_path_is_no_url(path: str) -> None:
    assert not is_url(path)


@pytest.mark.parametrize(
    ("url", "error", "said"),
    [
        ("runs/little", UsageError, "no URL"),
        ("file:///etc/passwd", UsageError, "write a path"),
        ("FILE:///etc/passwd", UsageError, "write a path"),
        ("local://x/y", UsageError, "write a path"),
        ("simplecache::s3://bucket/x", UsageError, "no URL"),
        ("memory://x::file:///etc", UsageError, "write a path"),
        ("ftp://me:secret@host/x", UsageError, "keys belong into the environment"),
        ("s3://bucket/x?key=secret", UsageError, "keys belong into the environment"),
        ("nosuchprotocol://x", UsageError, "nosuchprotocol"),
        ("hdfs://host/x", (MissingExtra, StoreError), "hdfs"),
    ],
)
def test_a_url_that_cannot_be_meant_is_one_sentence(
    url: str, error: type[Exception] | tuple[type[Exception], ...], said: str
) -> None:
    with pytest.raises(error, match=said) as refused:
        Elsewhere(url).put({"x": b""})
    assert "secret" not in str(refused.value)
