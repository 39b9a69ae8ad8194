"""Engines in this process, one after another.

Each engine is opened once and kept until the executor is closed, so its weights stay loaded from one call to the next.
Engines that alternate (`EngineRef.alternates`) are opened once, too, but of those with one name only the one that was
asked last has weights in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Self

from teststrip import plugins
from teststrip.errors import EngineError, StudyError, UsageError
from teststrip.executors.options import check_options
from teststrip.protocols import Attempts, Engine, LooksAhead, Pays, Purse, Rehearses
from teststrip.records import EngineRef, Failure, Fingerprint, Render, Shot
from teststrip.servers import Meets


def open_engine(ref: EngineRef) -> Engine:
    """The engine behind a reference. Loads no weights.

    Raises:
        UsageError: there is no such engine.
        MissingExtra: a package that the engine needs is not installed.
        EngineError: the engine cannot start.
    """
    engine: Engine = plugins.load("engines", ref.name)(**ref.options, **ref.operation)
    return engine


class LocalExecutor:
    """An `Executor` of this process, and a context manager.

    Args:
        opener: makes an engine of a reference; a caller's own opener may wrap `open_engine`.
    """

    def __init__(self, opener: Callable[[EngineRef], Engine] = open_engine) -> None:
        self._opener = opener
        self._engines: dict[str, Engine] = {}
        self._loaded: dict[str, str] = {}
        """Of engines that alternate, by name, the key of the one that may have loaded weights."""

    @classmethod
    def of(cls, argument: str, options: Mapping[str, object] = MappingProxyType({})) -> Self:
        """The executor that `--executor local` names.

        Raises:
            UsageError: there is an argument or an option.
        """
        check_options("local", options, ())
        if argument:
            raise UsageError(f"--executor local:{argument}: local takes nothing after its name")
        return cls()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def engine(self, ref: EngineRef) -> Engine:
        """The engine behind a reference. The first request opens the engine."""
        if ref.key not in self._engines:
            self._engines[ref.key] = self._opener(ref)
        return self._engines[ref.key]

    def open(self, engines: Iterable[EngineRef]) -> None:
        """Open these engines now, as `Executor.open` says, and let those that have a server ask it what it has."""
        for ref in engines:
            engine = self.engine(ref)
            if isinstance(engine, Meets):
                engine.meet()

    def fingerprint(self, shot: Shot) -> Fingerprint:
        """What will answer this shot, as `Executor.fingerprint` says."""
        return self.engine(shot.engine).fingerprint(shot)

    def run(self, engine: EngineRef, shots: Iterable[Shot]) -> Iterator[Render | Failure]:
        """One answer for each shot, as `Executor.run` says."""
        return self._alone(engine).render(shots)

    def check(self, shot: Shot) -> str:
        """What the engine of this shot has against its settings; "" = nothing."""
        try:
            self.engine(shot.engine).check(shot.settings)
        except (StudyError, EngineError) as error:
            return str(error)
        return ""

    def rehearse(self, shot: Shot) -> str:
        """Why this shot cannot be made, as far as its engine finds out without weights; "" = nothing is known."""
        engine = self.engine(shot.engine)
        try:
            return engine.rehearse(shot.settings) if isinstance(engine, Rehearses) else ""
        except EngineError as error:  # a model that is damaged
            return str(error)

    def attempt(self, shot: Shot) -> Render | Failure | None:
        """The quick answer of this shot's engine; None where the engine gives none."""
        engine = self._alone(shot.engine)
        return next(iter(engine.attempt([shot]))) if isinstance(engine, Attempts) else None

    def _alone(self, ref: EngineRef) -> Engine:
        """The engine behind a reference, after the one that it alternates with has given its weights back."""
        engine = self.engine(ref)
        if ref.alternates:
            before = self._loaded.get(ref.name, ref.key)
            if before != ref.key:
                self._engines[before].close()
            self._loaded[ref.name] = ref.key
        return engine

    def pay_from(self, purse: Purse) -> None:
        """Hand a purse to the open engines that cost money, as `Pays` says."""
        for engine in self._engines.values():
            if isinstance(engine, Pays):
                engine.pay_from(purse)

    def finish(self) -> None:
        """Begin no further shot, as `Executor.finish` says."""
        for engine in self._engines.values():
            if isinstance(engine, LooksAhead):
                engine.finish()

    def close(self) -> None:
        """Close all engines, even if one of them raises."""
        self._loaded.clear()
        while self._engines:
            _, engine = self._engines.popitem()
            try:
                engine.close()
            except BaseException:
                self.close()
                raise
