"""The nouns of an import: what a picture file says in words, and what was understood of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from teststrip.pictures.texts import Texts
from teststrip.records import Value


@dataclass(frozen=True, slots=True)
class Said:
    """What a format's reader looks at.

    Attributes:
        texts: of the file, by keyword.
        record: what Teststrip itself put into the file; empty where it did not.
        name: of the file, without folders. Midjourney's job and index stand in it.
    """

    texts: Texts
    record: Mapping[str, object] = field(default_factory=dict)
    name: str = ""


@dataclass(frozen=True, slots=True)
class Unread:
    """Something that a file says and that became no setting.

    Attributes:
        key: as the tool spells it.
        value: the beginning of it, for people.
        why: the end of a sentence after "because".
    """

    key: str
    value: str
    why: str


@dataclass(frozen=True, slots=True)
class Understood:
    """What a picture says about itself, in the vocabulary of Diffusers.

    Attributes:
        tool: what wrote it, as its users call it; "" for a table that was written beside the pictures.
        prompt: "" = the file says none that can be relied on.
        settings: by Diffusers' names; what Diffusers does not have goes by the tool's own name. `negative_prompt` too.
        seed: as text, because tools have seeds of 64 bits and negative ones; "" = the file says none.
        job: the order that made several pictures at once, where a tool numbers its orders.
        index: the place of the picture in its job, from 0.
        unread: what became no setting, and why.
        remarks: what a person must know of this picture: said twice, two samplers, made from another picture.
    """

    tool: str
    prompt: str = ""
    settings: Mapping[str, Value] = field(default_factory=dict)
    seed: str = ""
    job: str = ""
    index: int | None = None
    unread: tuple[Unread, ...] = ()
    remarks: tuple[str, ...] = ()
