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
from ray.exceptions import GetTimeoutError, RayError, RayTaskError

from teststrip.errors import EngineError, shortened
from teststrip.executors import cluster
from teststrip.executors.actor import Actor
from teststrip.executors.agreement import Agreement
from teststrip.executors.making import crossing, crossing_error, weights_of
from teststrip.executors.member import DONE, Member
from teststrip.executors.nodes import LOOK, Nodes
from teststrip.executors.options import amount, amounts, check_options, text, whole
from teststrip.executors.pieces import TRIES, Pieces
from teststrip.executors.several import IN_A_ROW, SeveralWorkers
from teststrip.executors.silence import Silence
from teststrip.plugins import version_of
from teststrip.records import EngineRef, Failure, Fingerprint, Render, Shot

PATIENT: Final = 1800.0
"""Seconds that an actor may take to say what would answer, where no patience is set: it may have to read the weights,
and 100 GB take 17 minutes at 100 MB a second."""

FAREWELL: Final = 5.0
"""Seconds that all actors together have to close their engines, before they are ended."""

LONG: Final = 15.0
"""Seconds without any actor after which it is said what the run waits for; to start one takes some."""


class RayExecutor(SeveralWorkers):
    """An `Executor` of a Ray cluster, and a context manager.

    Attributes:
        fetch: seconds that the bytes of an answer may take to the driver, before the actor counts as lost.

    Args:
        address: of the cluster, as `cluster.join` takes it.
        workers: actors; None = as many as the nodes have room for, also those nodes that come later.
        num_cpus: of an actor. Ray sets OMP_NUM_THREADS by it, where the node does not.
        num_gpus: of an actor, also a fraction; None = 1 where the cluster has GPUs, else 0.
        resources: of an actor, of the cluster owner's own names.
        patience: seconds that an actor may say nothing while it makes pictures, before it is ended; 0 = no limit.
        wait: seconds to wait for a node that has what an actor needs.
    """

    remote = True
    fetch: float = 60

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
        self._address, self._workers = address, workers
        self._nodes = Nodes(num_cpus=num_cpus, num_gpus=num_gpus, resources=resources, wait=wait)
        self._silence = Silence(patience)
        self._on_the_way = Silence(self.fetch)
        """Of answers that were made and did not arrive."""
        self._joined: bool | None = None
        self._members: list[Member] = []
        self._agreement = Agreement()
        self._alone_since: float | None = None
        """Since when no actor runs, on the clock `time.monotonic`."""
        self._said_why = False
        """Whether it was said that the run waits for room."""

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
            EngineError: no node has what an actor needs, the engine cannot start there, or no actor answers in time.
        """
        if self._stays(shot.engine):
            return self._local.fingerprint(shot)
        how = ""
        longest = self._silence.patience or PATIENT
        for _ in range(TRIES):
            member = self._settled()
            try:
                found = _fingerprint(ray.get(member.ask("fingerprint", crossing(shot)), timeout=longest))
            except RayTaskError as error:
                raise crossing_error(error.cause) from error
            except RayError as error:
                late = isinstance(error, GetTimeoutError)
                how = f"they said nothing for {longest:g} seconds" if late else _last_line(error)
                if member.piece is None:
                    self._end(member)
                continue
            weights = weights_of(self._local.engine(shot.engine), shot)
            self._agreement.note(weights, crossing(shot), found)
            return found
        raise EngineError(f"the actors of the Ray cluster do not say what would answer ({how})")

    @property
    def _most(self) -> int:
        self._join()
        return max(1, self._workers or self._nodes.room)

    def _join(self) -> None:
        if self._joined is None:
            self._joined = cluster.join(self._address)

    def _start(self) -> Member:
        """A new actor; Ray places it as soon as a node has room."""
        made = ray.remote(concurrency_groups={"make": 1, "ask": 1})(Actor)
        options = {"max_restarts": 0, "max_task_retries": 0, **self._nodes.options}
        member = Member(made.options(**options).remote())
        self._members.append(member)
        return member

    def _settled(self) -> Member:
        """An actor that runs; the first one is started where there is none."""
        self._join()
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
                    self._settle(member, member.hear(), Pieces())
                except RayError as error:
                    for _ in self._gone(member, Pieces(), _last_line(error)):
                        pass
            self._check_room(begin)

    def _check_room(self, since: float) -> None:
        """Say once that no actor runs yet. Raise EngineError where no node has what one needs and none came in time."""
        waited = time.monotonic() - since
        if self._nodes.check(waited) and waited > LONG and not self._said_why:
            self._said_why = True
            self._say(
                "the run waits for the Ray cluster: its nodes are busy with other work, or slow to start an actor."
                " `ray status` shows which"
            )

    def _hand_out(self, ref: EngineRef, pieces: Pieces) -> None:
        most = self._most
        for member in self._members:
            if member.settled and member.pending is None and (piece := pieces.take(member.weights, workers=most)):
                member.ref, member.piece = ref, piece
                if piece.weights in member.agrees:
                    member.make()
                else:
                    sample = self._agreement.sample(piece.weights, crossing(piece.shots[0]))
                    member.agreeing, member.pending = piece.weights, member.ask("fingerprint", sample)
        starting = sum(not member.settled for member in self._members)
        # Where none are asked for, an actor that was placed before its node was left out takes no room of the others.
        held = sum(bool(self._workers) or self._nodes.uses(member.node) for member in self._members)
        for _ in range(min(most - held, len(pieces) - starting)):
            self._start()

    def _heard(self, pieces: Pieces) -> Iterator[Render | Failure]:
        begin = time.monotonic()
        pending = [member.pending for member in self._members if member.pending is not None]
        longest = min(LOOK, self._silence.longest_wait)
        ready, left = ray.wait(pending, num_returns=1, timeout=longest)
        if ready and left:  # and all others that are, so that a fast actor keeps no slow one waiting
            ready, left = ray.wait(pending, num_returns=len(pending), timeout=0)
        made = ray.wait(left, num_returns=len(left), timeout=0, fetch_local=False)[0] if left else []
        said = [member for member in self._members if any(member.pending is one for one in ready)]
        coming = [member for member in self._members if any(member.pending is one for one in made)]
        heard = [member.piece.number for member in [*said, *coming] if member.piece]
        waited = time.monotonic() - begin
        silent = self._silence.waited(waited, under_way=pieces.under_way, heard=heard)
        for member in [one for one in self._members if one.piece and one.piece.number in silent]:
            yield from self._gone(member, pieces, f"it said nothing for {self._silence.patience:g} seconds")
        late = self._on_the_way.waited(waited, under_way=[id(member) for member in coming], heard=())
        for member in [one for one in coming if id(one) in late]:
            yield from self._gone(member, pieces, f"its answer did not arrive within {self.fetch:g} seconds")
        for member in said:
            if member in self._members:
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
            self._settle(member, told, pieces)
        elif not member.making:
            if not self._agrees(member, _fingerprint(told), pieces):
                return
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

    def _settle(self, member: Member, told: Any, pieces: Pieces) -> None:
        """Note that an actor runs, if it has the driver's version; else its node is left out."""
        version, node = told if isinstance(told, tuple) else (told, "")
        member.node, own = node, version_of("teststrip")
        if version == own:
            member.settled = True
            member.rest()
        else:
            why = f"a node of the Ray cluster has Teststrip {version}, and the driver {own}. Install one version on all"
            self._leave_out(member, pieces, f"{why} nodes")

    def _agrees(self, member: Member, found: Fingerprint, pieces: Pieces) -> bool:
        """Whether the sample shot would be answered on this actor as on all others; else its node is left out."""
        differ = self._agreement.differs(member.agreeing, found)
        if differ:
            self._leave_out(
                member,
                pieces,
                f"the nodes of the Ray cluster would answer differently: {differ}."
                " Install the same versions and models on all nodes, or choose alike nodes by resources",
            )
        else:
            member.agrees.add(member.agreeing)
        return not differ

    def _leave_out(self, member: Member, pieces: Pieces, why: str) -> None:
        """Go on without the node of an actor that is unlike the others.

        Raises:
            EngineError: there is no other one.
        """
        if member.piece is not None:  # nothing of it was begun
            pieces.lost(member.piece.number, why, blameless=True)
        self._end(member)
        new = self._nodes.leave_out(member.node, why)
        if not member.node or not (self._nodes.room or any(one.settled for one in self._members)):
            raise EngineError(why)
        if new:
            self._say(f"the run goes on without one node: {why}")

    def _through(self, member: Member, pieces: Pieces) -> Iterator[Failure]:
        """An actor ended its piece."""
        assert member.piece is not None
        number = member.piece.number
        member.rest()
        yield from self._done(number, pieces)

    def _gone(self, member: Member, pieces: Pieces, how: str) -> Iterator[Failure]:
        """An actor was lost, or has to be: its shots wait again."""
        # A node that is lost takes all its actors with it, which says nothing of the machine, nor of a shot.
        bearable = IN_A_ROW * max(1, len(self._members))
        blameless = self._nodes.lost(member.node)
        self._end(member)
        number = member.piece.number if member.piece else None
        yield from self._lost(number, pieces, how, bearable=bearable, blameless=blameless)

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
            with contextlib.suppress(RayError):
                idle = [member.close() for member in self._members if member.settled and member.pending is None]
                if idle:
                    ray.wait(idle, num_returns=len(idle), timeout=FAREWELL)
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
