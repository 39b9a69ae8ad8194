"""The seams of engines that ask a server of the user's own: what it has, a study for it, and when it is asked.

An engine has these beside `protocols.Engine` where it can. `plan` asks no server unless the user says `--ask`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from teststrip.records import Setting

NOT_ASKED = "server"
"""The fact of a fingerprint that says that the server was not asked yet, so that other facts are missing."""


@runtime_checkable
class Served(Protocol):
    """Optional, for an engine's class: it can say what a server has before there is a study."""

    @classmethod
    def served(cls, address: str) -> Mapping[str, Setting]:
        """The settings by name, with this server's choices.

        Args:
            address: a URL, or the name of a server in the user's configuration.

        Raises:
            EngineError: the server is not reached, or is none of this kind.
        """
        ...

    @classmethod
    def begun(cls, address: str) -> Mapping[str, object]:
        """The keys of a study file that fit this server: name, engine, settings, axes; the template has the others.

        Args:
            address: as in `served`.

        Raises:
            EngineError: as in `served`.
        """
        ...


@runtime_checkable
class Meets(Protocol):
    """Optional: an engine that asks its server what it has, before the first picture.

    Until then its fingerprints hold the fact NOT_ASKED and lack what only the server knows.
    """

    def meet(self) -> None:
        """Ask the server now. Called when a run begins, and by `plan --ask`; a second call asks nothing.

        Raises:
            EngineError: the server is not reached, or is none of this kind.
        """
        ...
