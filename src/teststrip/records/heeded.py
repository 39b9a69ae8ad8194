"""What a model made of what it was asked: sizes, texts and arguments that it did not take as they were written."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OtherSize:
    """Pictures of another size than was asked for.

    Attributes:
        asked: width and height in pixels; None = left to the model.
        made: width and height in pixels.
        images: how many pictures there are of this kind.
        levels: (axis, label) of the levels that ask for the size; empty = it is held fixed.
    """

    asked: tuple[int | None, int | None]
    made: tuple[int, int]
    images: int
    levels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Incomparable:
    """A score that cannot be compared along some axes.

    Attributes:
        metric: the score.
        equal: settings that its card wants equal.
        axes: along which they differ.
    """

    metric: str
    equal: tuple[str, ...]
    axes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Heard:
    """A warning of a library that may have changed pictures.

    Attributes:
        text: as the library says it, shortened.
        images: how many pictures it came with.
        levels: (axis, label) of the levels that all these pictures share, of axes with other levels; empty = there are
            none.
    """

    text: str
    images: int
    levels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Encoded:
    """What one text encoder reads of a prompt.

    Attributes:
        encoder: the name of its tokenizer in the pipeline.
        tokens: of the whole text, with those that open and close it.
        limit: the most that the encoder is given.
        lost: the words that it does not read; "" = it reads all.
    """

    encoder: str
    tokens: int
    limit: int
    lost: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a model reads of a prompt.

    Attributes:
        digest: of the tokens that all encoders together are given; equal = the model cannot tell two texts apart.
        encoders: one a tokenizer.
    """

    digest: str
    encoders: tuple[Encoded, ...] = ()

    @property
    def lost(self) -> str:
        """The words that no encoder reads; "" = at least one encoder reads all of the text."""
        return min((one.lost for one in self.encoders), key=len, default="")
