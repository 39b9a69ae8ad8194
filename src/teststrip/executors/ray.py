"""Ray: actors on the nodes of a cluster, each with its own engines.

The driver hands out pieces (`several`, `pieces`) and is the only writer. An actor streams its answers one by one and
stops after a few that were not read, so that a slow driver fills no object store. Where an actor, its node or the
network is lost, the driver asks the shots of its piece again and starts another actor. Ray itself repeats nothing here:
the driver knows what was answered.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, Self

import ray
from ray.exceptions import RayError, RayTaskError

from teststrip.errors import EngineError, shortened
from teststrip.executors import cluster
from teststrip.executors.actor import Actor
from teststrip.executors.making import crossing, crossing_error
from teststrip.executors.member import DONE, Member
from teststrip.executors.options import amount, amounts, check_options, text, whole
from teststrip.executors.pieces import TRIES, Pieces
from teststrip.executors.several import IN_A_ROW, SeveralWorkers
from teststrip.executors.silence import Silence
from teststrip.plugins import version_of
from teststrip.records import EngineRef, Failure, Fingerprint, Render, Shot

LOOK: Final = 2.0
"""Seconds between two looks at the nodes of the cluster, and the longest that the driver waits for a message."""

LONG: Final = 15.0
"""Seconds without any actor after which it is said what the run waits for; to start one takes some."""


class RayExecutor(SeveralWorkers):
    """An `Executor` of a Ray cluster, and a context manager.

    Args:
        address: of the cluster, as `cluster.join` takes it.
        workers: actors; None = as many as the nodes have room for, also those nodes that come later.
        num_cpus: of an actor. Ray sets OMP_NUM_THREADS by it, where the node does not.
        num_gpus: of an actor, also a fraction; None = 1 where the cluster has GPUs, else 0.
        resources: of an actor, of the cluster owner's own names.
        patience: seconds that an actor may say nothing while it makes pictures, before it is ended; 0 = no limit.
        wait: seconds to wait for a node that has what an actor needs.
    """

    def __init__(
        self,
        address: str = "",
        *,
        workers: int | None = None,
        num_cpus: float = 1,
        num_gpus: float | None = None,
        resources: Mapping[str, float] = MappingProxyType({}),
        patience: float = 0,
        wait: float = 60,
    ) -> None:
        super().__init__()
        self._address, self._workers, self._wait = address, workers, wait
        self._num_cpus, self._num_gpus, self._resources = num_cpus, num_gpus, dict(resources)
        self._silence = Silence(patience)
        self._joined: bool | None = None
        self._members: list[Member] = []
        self._samples: dict[str, tuple[Shot, Fingerprint | None]] = {}
        """By an engine's key a shot and what would answer it, which all actors must agree on."""
        self._alone_since: float | None = None
        """Since when no actor runs, on the clock `time.monotonic`."""
        self._said_why = False
        """Whether it was said that the run waits for room."""
        self._looked = float("-inf")
        self._nodes: list[cluster.Needs] = []

    @classmethod
    def of(cls, argument: str, options: Mapping[str, object] = MappingProxyType({})) -> Self:
        """The executor that `--executor ray:ADDRESS` names.

        Args:
            argument: the address; "" = as `[executor]` says, else as `cluster.join` finds it.
            options: of `[executor]`: the arguments of this class by name.

        Raises:
            UsageError: an option is wrong.
        """
        known = ("address", "workers", "num_cpus", "num_gpus", "resources", "patience", "wait")
        check_options("ray", options, known)
        numbers = {key: amount(options, key) for key in ("num_cpus", "num_gpus", "patience", "wait")}
        return cls(
            argument or text(options, "address"),
            workers=whole(options, "workers", most=100_000),
            resources=amounts(options, "resources"),
            **{key: number for key, number in numbers.items() if number is not None},
        )

    def open(self, engines: Iterable[EngineRef]) -> None:
        """Open these engines without weights, as `Executor.open` says, and join the cluster."""
        super().open(engines)
        self._join()

    def fingerprint(self, shot: Shot) -> Fingerprint:
        """What will answer this shot, as `Executor.fingerprint` says: an actor is asked, whose device counts.

        Raises:
            EngineError: no node has what an actor needs, or the engine cannot start there.
        """
        if self._stays(shot.engine):
            return self._local.fingerprint(shot)
        for _ in range(TRIES):
            member = self._settled()
            try:
                found = _fingerprint(ray.get(member.ask("fingerprint", crossing(shot))))
            except RayError:
                if member.piece is None:
                    self._end(member)
                continue
            self._samples.setdefault(shot.engine.key, (crossing(shot), found))
            return found
        raise EngineError("the actors of the Ray cluster end before they answer")

    @property
    def _most(self) -> int:
        fit = cluster.room(self._needs, self._look())
        return max(1, self._workers or fit)

    @property
    def _needs(self) -> dict[str, float]:
        if self._num_gpus is None:  # decided once, because a node that comes later must not change what answers
            self._num_gpus = 1 if any(node.get("GPU") for node in self._look()) else 0
        return {"CPU": self._num_cpus, "GPU": self._num_gpus, **self._resources}

    def _join(self) -> None:
        if self._joined is None:
            self._joined = cluster.join(self._address)

    def _look(self) -> list[cluster.Needs]:
        """The nodes that are alive, looked at again every few seconds."""
        self._join()
        if time.monotonic() - self._looked > LOOK:
            self._nodes, self._looked = cluster.nodes(), time.monotonic()
        return self._nodes

    def _start(self) -> Member:
        """A new actor; Ray places it as soon as a node has room."""
        needs = self._needs
        made = ray.remote(concurrency_groups={"make": 1, "ask": 1})(Actor)
        options: dict[str, Any] = {"max_restarts": 0, "max_task_retries": 0, "resources": self._resources or None}
        member = Member(made.options(num_cpus=needs["CPU"], num_gpus=needs["GPU"], **options).remote())
        self._members.append(member)
        return member

    def _settled(self) -> Member:
        """An actor that runs; the first one is started where there is none."""
        begin = time.monotonic()
        while True:
            for member in sorted(self._members, key=lambda one: one.piece is not None):
                if member.settled:
                    return member
            if not self._members:
                self._start()
            starting = [member.pending for member in self._members]
            ready, _ = ray.wait(starting, num_returns=1, timeout=LOOK)
            for member in [one for one in self._members if one.pending in ready]:
                try:
                    self._settle(member, member.hear())
                except RayError as error:
                    for _ in self._gone(member, Pieces(), _last_line(error)):
                        pass
            self._check_room(begin)

    def _check_room(self, since: float) -> None:
        """Say once that no actor runs yet. Raise EngineError where no node has what one needs and none came in time."""
        waited = time.monotonic() - since
        if cluster.room(self._needs, self._look()):
            if waited > LONG and not self._said_why:
                self._said_why = True
                self._say(
                    "the run waits for the Ray cluster: its nodes are busy with other work, or slow to start an actor."
                    " `ray status` shows which"
                )
            return
        if waited <= self._wait:
            return
        there = "; ".join(cluster.described(node) for node in self._nodes) or "there is no node"
        raise EngineError(
            f"no node of the Ray cluster has what an actor needs ({cluster.described(self._needs)}). Its nodes have:"
            f" {there}. Change num_cpus, num_gpus or resources in [executor] of your configuration, or add a node"
        )

    def _hand_out(self, ref: EngineRef, pieces: Pieces) -> None:
        most = self._most
        for member in self._members:
            if member.settled and member.pending is None and (piece := pieces.take(member.weights, workers=most)):
                member.ref, member.piece = ref, piece
                if ref.key in member.agrees:
                    member.make()
                    continue
                sample, _ = self._samples.setdefault(ref.key, (crossing(piece.shots[0]), None))
                member.pending = member.ask("fingerprint", sample)
        starting = sum(not member.settled for member in self._members)
        for _ in range(min(most - len(self._members), len(pieces) - starting)):
            self._start()

    def _heard(self, pieces: Pieces) -> Iterator[Render | Failure]:
        begin = time.monotonic()
        pending = [member.pending for member in self._members if member.pending is not None]
        longest = min(LOOK, self._silence.longest_wait)
        ready, _ = ray.wait(pending, num_returns=1, timeout=longest, fetch_local=False)
        if ready:  # and all others that are, so that a fast actor keeps no slow one waiting
            ready, _ = ray.wait(pending, num_returns=len(pending), timeout=0, fetch_local=False)
        said = [member for member in self._members if any(member.pending is one for one in ready)]
        heard = [member.piece.number for member in said if member.piece]
        waited = time.monotonic() - begin
        silent = self._silence.waited(waited, under_way=pieces.under_way, heard=heard)
        for member in [one for one in self._members if one.piece and one.piece.number in silent]:
            yield from self._gone(member, pieces, f"it said nothing for {self._silence.patience:g} seconds")
        for member in said:
            yield from self._said(member, pieces)
        if any(member.settled for member in self._members):
            self._alone_since = None
        else:
            self._alone_since = self._alone_since or begin
            self._check_room(self._alone_since)

    def _said(self, member: Member, pieces: Pieces) -> Iterator[Render | Failure]:
        """What an actor says that was waited for."""
        try:
            told = member.hear()
        except RayTaskError as error:
            raise crossing_error(error.cause) from error
        except RayError as error:
            yield from self._gone(member, pieces, _last_line(error))
            return
        if not member.settled:
            self._settle(member, told)
        elif not member.making:
            self._agree(member, _fingerprint(told))
            if member.piece is None:  # its run was stopped meanwhile
                member.rest()
            else:
                member.make()
        elif told is DONE:
            yield from self._through(member, pieces)
        elif isinstance(told, Exception):
            assert member.piece is not None
            pieces.end(member.piece.number)
            member.rest()
            raise told
        else:
            self._fruitless = 0
            if member.piece is not None and pieces.answered(member.piece.number, told.shot.id):
                yield told

    def _settle(self, member: Member, version: str | None) -> None:
        """Note that an actor runs, if it has the driver's version.

        Raises:
            EngineError: it has another one.
        """
        if version != version_of("teststrip"):
            raise EngineError(
                f"a node of the Ray cluster has Teststrip {version}, and the driver {version_of('teststrip')}."
                " Install one version on all nodes"
            )
        member.settled = True
        member.rest()

    def _agree(self, member: Member, found: Fingerprint) -> None:
        """Note that an engine would answer the sample shot on this actor as on all others.

        Raises:
            EngineError: it would not, because of other weights, devices or versions.
        """
        assert member.ref is not None
        sample, expected = self._samples[member.ref.key]
        if expected is None:
            self._samples[member.ref.key] = sample, found
        elif found.id != expected.id:
            names = sorted({*found.facts, *expected.facts})
            differ = [
                f"{name} {expected.facts.get(name)!r} and {found.facts.get(name)!r}"
                for name in names
                if found.facts.get(name) != expected.facts.get(name)
            ]
            raise EngineError(
                f"the nodes of the Ray cluster would answer differently: {shortened('; '.join(differ))}."
                " Install the same versions and models on all nodes, or choose alike nodes by resources"
            )
        member.agrees.add(member.ref.key)

    def _through(self, member: Member, pieces: Pieces) -> Iterator[Failure]:
        """An actor ended its piece."""
        assert member.piece is not None
        number = member.piece.number
        member.rest()
        yield from self._done(number, pieces)

    def _gone(self, member: Member, pieces: Pieces, how: str) -> Iterator[Failure]:
        """An actor was lost, or has to be: its shots wait again."""
        # A node that is lost takes all its actors with it, which says nothing of the machine.
        bearable = IN_A_ROW * max(1, len(self._members))
        self._end(member)
        yield from self._lost(member.piece.number if member.piece else None, pieces, how, bearable=bearable)

    def _end(self, member: Member) -> None:
        self._members.remove(member)
        with contextlib.suppress(RayError, ValueError):
            ray.kill(member.handle)

    def _tell_to_finish(self, pieces: Pieces) -> None:
        for member in self._members:
            if member.piece is None:
                continue
            if member.making:
                with contextlib.suppress(RayError):
                    member.ask("finish", member.piece.number)
            else:  # it is still asked whether it agrees; its answer counts, but no run waits for it
                pieces.end(member.piece.number)
                member.piece = None

    def _abandon(self, pieces: Pieces) -> None:
        for member in list(self._members):
            if member.piece is not None and member.piece.number in pieces.under_way:
                self._end(member)

    def _end_all(self) -> None:
        try:
            for member in list(self._members):
                self._end(member)
        finally:
            if self._joined:
                ray.shutdown()
            self._joined = None


def _fingerprint(told: Fingerprint | Exception) -> Fingerprint:
    if isinstance(told, Exception):
        raise told
    return told


def _last_line(error: Exception) -> str:
    """The last line of an error of Ray, which says what happened; the lines before say to which actor."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return shortened(lines[-1].strip())
