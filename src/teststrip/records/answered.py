"""What answered: pictures, failures, fingerprints and scores, and the row that joins them with what was asked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from teststrip.records.asked import Planned, Shot
from teststrip.records.canonical import digest_of, plain

NO_ROW = "no row"
"""The reason of a place of a table with no picture to be had: another row has it already, or none was asked."""

MADE_WIDTH, MADE_HEIGHT = "made width", "made height"
"""Columns of a study's table: the size of each picture as it is, in pixels."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What answered: weights, scheduler class and config, dtype, library versions.

    Attributes:
        facts: plain JSON values; two answers are comparable when all facts are equal. Other values are spelled as JSON
            (`records.plain`), because configurations of libraries hold infinite numbers and tuples.
    """

    facts: Mapping[str, object]

    def __post_init__(self) -> None:
        object.__setattr__(self, "facts", plain(self.facts))

    @property
    def id(self) -> str:
        """SHA-256 of the facts."""
        return digest_of(dict(self.facts))


@dataclass(frozen=True, slots=True)
class Render:
    """A picture as an engine hands it over.

    Attributes:
        shot: what was asked.
        data: encoded bytes, exactly what will lie on disk.
        format: "png", "jpeg" or "webp".
        width: pixels.
        height: pixels.
        seconds: machine time of this picture; in a batch, the picture's share of the batch's time.
        fingerprint: what answered.
        facts: denoiser_calls, rows, device and what else the engine knows; plain JSON values, as in `Fingerprint`.
        small: a thumbnail as WebP, from an engine that has the pixels at hand; b"" = it is made from the file later.
    """

    shot: Shot
    data: bytes
    format: str
    width: int
    height: int
    seconds: float
    fingerprint: Fingerprint
    facts: Mapping[str, object] = field(default_factory=dict)
    small: bytes = b""

    def __post_init__(self) -> None:
        object.__setattr__(self, "facts", plain(self.facts))


Reason = Literal["refused", "oom", "nan", "blank", "timeout", "invalid", "unknown", "error"]
"""Why a shot has no picture. In this order: content policy, memory, pixels that are not finite, a picture of one
colour, time limit, bad request or an answer that is no picture, a paid request without an answer, any other error."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a shot has no picture. An engine hands over a Failure in the place of a Render.

    Attributes:
        shot: what was asked.
        reason: the kind of failure, for tables.
        text: one line for people, without secrets and without a stack trace.
        retryable: whether a later run should try again.
        paid: what a service was paid for it all the same, in its currency; None = perhaps as much as it can cost.
    """

    shot: Shot
    reason: Reason
    text: str
    retryable: bool = True
    paid: float | None = 0.0


@dataclass(frozen=True, slots=True)
class Image:
    """A picture that is stored: its file is safe on disk.

    Attributes:
        shot_id: what was asked.
        digest: SHA-256 of the file.
        path: of the file, relative to the study folder, with forward slashes.
        width: pixels.
        height: pixels.
        size: bytes of the file.
        seconds: machine time of the picture, as in `Render`.
        fingerprint_id: what answered.
        facts: what else the engine knows, as in `Render`.
    """

    shot_id: str
    digest: str
    path: str
    width: int
    height: int
    size: int
    seconds: float
    fingerprint_id: str
    facts: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Score:
    """A number about an image, a pair or a group.

    Attributes:
        metric: the metric's name.
        digests: the images that the score is about, sorted where their order means nothing.
        value: in the metric's unit; NaN = the metric does not apply here.
        fingerprint_id: what computed the score: code version, weights and options of the metric.
    """

    metric: str
    digests: tuple[str, ...]
    value: float
    fingerprint_id: str


Against = Literal["", "the most steps", "the reference"]
"""What a picture is held against: its like at the study's highest number of steps, or in the study's reference cell."""

Scale = Literal["distance", "similarity", "decibels"]
"""How a metric of pairs counts: how far pictures are apart, how alike they are, or how alike in decibels."""


@dataclass(frozen=True, slots=True)
class Card:
    """What one must know of a metric before believing it; also of a column of anybody's own, which needs a name alone.

    Attributes:
        name: as in the study file, and of the column of its scores.
        unit: of the value; "" for a bare number.
        arity: how many images it looks at: 1; 2, an image and its reference; None, a group (all seeds of a prompt in a
            cell).
        higher_is_better: which end is good; None when neither is, and then nothing is recommended by it.
        describes: why it only describes pictures and recommends nothing, as the end of a sentence after "because"; ""
            = it may recommend. Then neither end is good.
        needs_pixels: False when it is read off what the engine counted (seconds, calls): a cost, not a picture's looks.
        about: one sentence: what is measured, and how.
        low, high: the range of the value, in its unit; infinite where it has no end.
        source: where the definition was published.
        failure: how it is known to mislead, in a sentence that is printed beside every finding.
        needs: the weights it needs, in words; "" = none.
        comparable: between which pictures the value may be compared, in words.
        equal: settings in which two pictures must agree before their values are compared. The analysis keeps to it:
            nothing is found or recommended across them.
        rises_with: settings that move the value mechanically, whatever becomes of the picture.
        unseen: of a metric of pairs, how far two pictures may be apart before people see a difference; of a similarity,
            how far below that of equal pictures; of decibels, the value from which on they see none. NaN = unknown, so
            that another seed is the yardstick. Infinite = the metric has no such limit, and only counts.
        against: of a metric of pairs, the reference of a picture; "" = the metric arranges its pairs itself.
        scale: of a metric of pairs, what grows with the value. A distance of equal pictures is 0 and a similarity is
            `high`. Decibels are of a squared error, and means are taken of that error.
    """

    name: str
    unit: str = ""
    arity: int | None = 1
    higher_is_better: bool | None = None
    describes: str = ""
    needs_pixels: bool = True
    about: str = ""
    low: float = -math.inf
    high: float = math.inf
    source: str = ""
    failure: str = ""
    needs: str = ""
    comparable: str = "within a prompt"
    equal: tuple[str, ...] = ()
    rises_with: tuple[str, ...] = ()
    unseen: float = math.nan
    against: Against = ""
    scale: Scale = "distance"

    @property
    def between_seeds_column(self) -> str:
        """The name of the column that says how far each picture is from that of another seed, all else being equal."""
        return f"{self.name} between seeds"

    @property
    def pending_column(self) -> str:
        """The name of the column that says of which pictures the score was not computed yet, as 1; else 0."""
        return f"{self.name} pending"


@dataclass(frozen=True, slots=True)
class Row:
    """One place of the design and what became of it: image, failure, or neither yet.

    Attributes:
        planned: the shot, with its cell, prompt and replicate.
        image: the picture, if there is one.
        failure: the last failure, if there is no picture.
        scores: metric name to value; NaN = the metric does not apply, an absent name = not computed.
    """

    planned: Planned
    image: Image | None = None
    failure: Failure | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
