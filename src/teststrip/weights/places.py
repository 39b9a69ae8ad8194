"""Where the name of a model leads: into this package, to a folder or file on this disk, or to the Hugging Face Hub.

The decision is by the name and by what lies on the disk; nothing is asked of a network. Knows nothing of what is in a
model: `weights.loading` loads models of transformers, `diffusion.models` pipelines of Diffusers, each with words of its
own for what it does not find.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

MODELS: Final = Path(__file__).parents[1] / "models"
"""The folder of the models that are embedded in this package."""

EMBEDDED: Final = "emoji"
"""The text-to-image model that is embedded in this package, as a study calls it."""

HUB_NAME: Final = re.compile(r"\w[\w.-]*/\w[\w.-]*")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a name leads.

    Attributes:
        kind: "embedded", "folder", "file", "hub" or "nowhere".
        path: the folder or file; of the other kinds, the name read as a path.
    """

    kind: Literal["embedded", "folder", "file", "hub", "nowhere"]
    path: Path


def place(name: str, marker: str) -> Place:
    """Decide where a name leads. An embedded model comes before a folder of its name, a folder before a hub name.

    Args:
        name: as the user wrote it; a relative path starts at the working folder.
        marker: the file that tells an embedded model of the wanted kind.

    >>> place("emoji", "model_index.json").kind, place("owner/name", "config.json").kind, place("./x", "y").kind
    ('embedded', 'hub', 'nowhere')
    """
    inside, path = MODELS / name, Path(name).expanduser()
    if inside.parent == MODELS and (inside / marker).is_file():
        return Place("embedded", inside)
    if path.is_dir():
        return Place("folder", path)
    if path.is_file():
        return Place("file", path)
    if HUB_NAME.fullmatch(name) and path.suffix != ".safetensors":
        return Place("hub", path)
    return Place("nowhere", path)
