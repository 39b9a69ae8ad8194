"""What a service answers is a whole picture of the size that was asked for, or a trouble, never a cell's picture."""

from __future__ import annotations

import base64

import pytest
from tests.hosted.service import png_of
from tests.studies import png

from teststrip import pictures
from teststrip.hosted.checked import picture
from teststrip.hosted.trouble import Trouble

GOOD = png_of("an owl", size=(24, 16))


def trouble(encoded: object, **more: object) -> Trouble:
    with pytest.raises(Trouble) as found:
        picture(encoded, facts={}, paid=0.5, **more)  # type: ignore[arg-type]
    assert found.value.paid == 0.5
    return found.value


def test_a_picture_keeps_its_bytes_size_and_price() -> None:
    for encoded in (GOOD, base64.b64encode(GOOD).decode()):
        answer = picture(encoded, facts={"model": "m"}, paid=0.5, size=(24, 16))
        assert (answer.data, answer.format, answer.width, answer.height, answer.paid) == (GOOD, "png", 24, 16, 0.5)
        assert answer.pixels == pictures.pixel_digest(GOOD)


@pytest.mark.parametrize(
    "encoded", [None, "", "no base64!", "naïve", 7, b"", b"<html>no</html>", "PGh0bWw+", GOOD[:-20]]
)
def test_what_is_no_whole_picture_is_invalid(encoded: object) -> None:
    assert trouble(encoded).kind == "invalid"


def test_a_picture_cut_at_any_byte_is_invalid() -> None:
    for end in range(0, len(GOOD), 7):
        assert trouble(GOOD[:end]).kind == "invalid"


def test_a_black_picture_is_blank_and_said_so() -> None:
    assert (trouble(png((0, 0, 0))).kind, trouble(png((0, 0, 0))).text) == ("blank", "the picture is black")
    assert trouble(png((9, 9, 9))).text == "the picture is of one colour"


def test_a_picture_of_another_size_is_invalid() -> None:
    assert "16x24 was asked for, and one of 24x16 came" in trouble(GOOD, size=(16, 24)).text
