"""The driver: starts calls, chooses whose rows go next, dispatches forwards, collects their answers.

One step of it reads `choose → dispatch → collect`. Knows order, failures and memory; nothing of schedulers, of what is
inside a pipeline, or of how a forward is computed.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Any, Literal

import torch

from teststrip.batching.answers import joined, rows_of
from teststrip.batching.calls import Call, CannotMerge, Counts, Done, FailedCall, forget_frames, out_of_memory
from teststrip.batching.earlier import NOTHING, Earlier, Work
from teststrip.batching.interference import InterferenceCheck
from teststrip.batching.lanes import Lanes
from teststrip.batching.pending import Pending, ProxiedModel
from teststrip.batching.pipeline import SharedPipeline
from teststrip.batching.recording import DEFAULT_LIMITS, Limits
from teststrip.batching.runner import ModelRunner
from teststrip.batching.stacking import Piece
from teststrip.batching.width import Widths

# Calls under way for each row of a forward, at most: enough that calls of a few different shapes fill forwards.
CALLS_A_ROW = 4

# A window that is full is part of a longer stream, which is taken to be so many windows long.
WINDOWS = 4

# Denoiser rows of a call whose length the caller does not know: 25 steps with guidance.
USUAL_LENGTH = 50


@dataclass(frozen=True, slots=True)
class Forward:
    """A forward that was dispatched and not collected yet.

    Attributes:
        future: becomes its output and its seconds.
        pieces: whose rows it holds: the pending call, the first of its rows, and the row after the last.
        width: rows of the forward, fillers included.
    """

    future: Future[tuple[Any, float]]
    pieces: list[tuple[Pending, int, int]]
    width: int

    @property
    def model(self) -> ProxiedModel:
        """The model that computes it."""
        return self.pieces[0][0].model

    @property
    def shape(self) -> str:
        """The model's name and the shape of a row, as in `Pending.shape`."""
        return self.pieces[0][0].shape


class Batcher:
    """Continuous batching of the calls of one pipeline; the package says the idea and has an example.

    Not for use by two threads at once: greenlets belong to the thread that reads `run`.

    Args:
        pipeline: any Diffusers pipeline whose denoiser takes a batch; it is not changed.
        rows: rows of every denoiser forward; "auto" finds the smallest good number for each shape of row.
        decode_rows: rows of every decoder forward; "auto" goes by the size of the latents.
        denoisers: names of the components at which calls meet; None = those of `DENOISERS` that the pipeline has.
        forwards: for a component name, what to call in place of the model (a compiled or converted one): it takes the
            model's arguments, always with the same number of rows, and answers as the model does.
        fallback: whether calls that cannot be merged are run alone, on the models as they are, whatever `forwards` has;
            else they fail with CannotMerge.
        window: calls pulled ahead of time to start the longest first; pulled lazily, so a slow reader slows the run.
        threads: on a CPU, forwards of a model as it is run side by side in lanes that share out so many threads.
        recording: on a CPU, short forwards of a model as it is are recorded after a while and run without Python, with
            the same bytes (`recording`). None for models whose Python does more than compute: attention processors
            that keep what they see, for example.
        known: widths found earlier, by shape of row; what is found is written into it. Keep it with the results: the
            same widths give the same bytes.
        earlier: what earlier runs found out; this run's part is written into it. Keep it where calls come in portions,
            each with a batcher of its own, so that a search for a width goes on from one portion to the next.
        whole: the calls that this one and other batchers are asked for together, as far as the caller knows, those
            that are made already included; widths are searched for as if this batcher had them all.
        clock: by whose seconds widths are compared; None = as `ModelRunner` says.

    Attributes:
        counts: forwards, rows, fillers and what else happened so far; live while `run` is under way.

    Raises:
        ValueError: a forward would have no row.
    """

    def __init__(
        self,
        pipeline: Any,
        *,
        rows: int | Literal["auto"] = "auto",
        decode_rows: int | Literal["auto"] = "auto",
        denoisers: Sequence[str] | None = None,
        forwards: Mapping[str, Callable[..., Any]] | None = None,
        fallback: bool = True,
        window: int = 64,
        threads: int = 1,
        recording: Limits | None = DEFAULT_LIMITS,
        known: MutableMapping[str, int] | None = None,
        earlier: Earlier | None = None,
        whole: Work = NOTHING,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.counts = Counts()
        self._pipeline = SharedPipeline(pipeline, denoisers)
        self._lanes = Lanes(threads)
        self._runner = ModelRunner(
            self._pipeline.models,
            self._lanes,
            replacements=forwards or {},
            recording=recording,
            counts=self.counts,
            clock=clock,
        )
        self._earlier = Earlier() if earlier is None else earlier
        self._made_before: Mapping[Hashable, Work] = {}  # in earlier runs, by `Call.shape`
        self._whole = whole
        self._check = InterferenceCheck(self._runner, self.counts)
        self._widths = Widths(
            self._runner.seconds,
            trial=self._runner.forwards_of_a_trial,
            left=self._left,
            rows=rows,
            decode_rows=decode_rows,
            lanes=self._lanes.number,
            known={} if known is None else known,
            earlier=self._earlier,
            counts=self.counts,
        )
        self._fallback = fallback
        self._window = max(window, 1)
        self._stopped = False
        self._queue: list[Call] = []  # pulled, not started; the longest first
        self._running: list[Pending] = []  # started, each waiting for an answer
        self._dispatched: list[Forward] = []
        self._ended: deque[Pending] = deque()

    @property
    def refusal(self) -> str:
        """Why no call of this pipeline can be merged; "" when they can, as far as is known yet."""
        return self._pipeline.refusal

    def run(self, calls: Iterable[Call]) -> Iterator[Done | FailedCall]:
        """One answer for each call, in the order in which they come to an end.

        A call that raises, runs out of memory by itself or ends in NaN is a `FailedCall`; the others go on. When a
        shared forward runs out of memory its width is halved for all that follow, and calls begun at the old width
        begin again, so that every picture has one width. Closing the iterator ends all calls under way.
        """
        with self._lanes.open():
            yield from self._run(iter(calls))

    def _run(self, source: Iterator[Call]) -> Iterator[Done | FailedCall]:
        self._stopped = False
        self._made_before = dict(self._earlier.made)
        made: dict[Hashable, Work] = {}
        try:
            while True:
                # Pulling a call runs the caller's code and yielding returns to it: neither may see inference mode.
                while not self._stopped and len(self._queue) < self._window:
                    call = next(source, None)
                    if call is None:
                        break
                    insort(self._queue, call, key=_longest_first)
                while self._ended:
                    ended = self._ended.popleft()
                    made[ended.call.shape] = made.get(ended.call.shape, NOTHING) + _work(ended.call)
                    yield ended.ended()
                if not self._queue and not self._running:
                    return
                # One mode around everything: the calls' own no_grad blocks interleave and must all mean the same.
                with torch.inference_mode():
                    self._step()
        finally:
            with torch.inference_mode():  # the calls' no_grad blocks end in here, too
                self._cancel(self._running)
            self._queue.clear()
            self._ended.clear()
            for shape, work in made.items():
                self._earlier.add(shape, work)

    def stop(self) -> None:
        """Start no further call: `run` finishes those under way and leaves the others unanswered."""
        self._stopped = True
        self._queue.clear()

    def wait_until_idle(self) -> None:
        """Block until no forward is running. Call it before reading a clock between two answers."""
        wait([forward.future for forward in self._dispatched])

    def run_alone(self, call: Call) -> Done | FailedCall:
        """The same call made by itself, on the models as they are: what merged calls are compared with."""
        with torch.inference_mode():
            return self._pipeline.run_alone(call, "asked for").ended()

    def _step(self) -> None:
        """Dispatch a forward; start a call when too few rows wait; else collect the first forward that is done."""
        room = len(self._dispatched) < self._lanes.capacity
        if self._pipeline.refusal:
            if self._dispatched:
                self._collect()
            else:
                self._run_alone(self._queue.pop(0), self._pipeline.refusal)
        elif room and (group := self._choose()):
            self._dispatch(group)
        elif room and self._may_start():
            pending = self._pipeline.pending(self._queue.pop(0))
            self._running.append(pending)
            self._resume(pending, None)
        else:
            self._collect()

    def _choose(self) -> list[Pending]:
        """The calls whose rows go next, all of one signature; none when to start a call or to collect is better.

        Behind the forward that a lane computes another one may wait if it is full: then the lane goes on at once, even
        while the driver is busy.
        """
        decoding = self._fullest(decoding=True)
        if self._fills_a_forward(decoding):
            return decoding
        denoising = self._fullest(decoding=False)
        if self._fills_a_forward(denoising):
            return denoising
        lane_is_free = len(self._dispatched) < self._lanes.number
        if not lane_is_free or self._may_start():
            return []
        # Decoding that does not fill a forward waits for the calls that are still being denoised in the lanes.
        return denoising or ([] if self._dispatched else decoding)

    def _fullest(self, *, decoding: bool) -> list[Pending]:
        groups: dict[Hashable, list[Pending]] = {}
        for pending in self._running:
            if pending.model.decodes == decoding and pending.rows_left:
                groups.setdefault((pending.model.name, pending.request.signature), []).append(pending)
        return max(groups.values(), key=_rows_left, default=[])

    def _fills_a_forward(self, group: list[Pending]) -> bool:
        return bool(group) and _rows_left(group) >= self._widths.of(group[0])

    def _left(self, pending: Pending) -> Work:
        """What is left to make of this call's shape, and what was made of it in earlier runs.

        Of calls that are not here it is taken that they have the shapes of those that are.
        """
        here = [*self._queue, *(one.call for one in self._running)]
        shape = pending.call.shape
        alike = sum((_work(call) for call in here if call.shape == shape), NOTHING)
        times = WINDOWS if len(here) >= self._window else 1
        share = alike.calls / len(here)
        known = Work(times * alike.calls, times * alike.rows).after(self._made_before.get(shape, NOTHING))
        return known.or_more(Work(share * self._whole.calls, share * self._whole.rows))

    def _may_start(self) -> bool:
        if not self._queue:
            return False
        denoising = sum(not pending.model.decodes for pending in self._running)
        return denoising < CALLS_A_ROW * self._widths.all_lanes

    def _dispatch(self, group: list[Pending]) -> None:
        """Fill a forward with rows of these calls and send it into a lane."""
        self._runner.record_due()
        width = room = self._widths.of(group[0])
        pieces: list[tuple[Pending, int, int]] = []
        for pending in sorted(group, key=lambda one: one.forwards - one.call.length):  # most left to do first
            take = min(room, pending.rows_left)
            if take:
                pieces.append((pending, pending.dispatched, pending.dispatched + take))
                pending.dispatched += take
                room -= take
        future = self._runner.start(group[0].model, _of_requests(pieces), width)
        self._dispatched.append(Forward(future, pieces, width))

    def _collect(self) -> None:
        """Wait for the first forward that is done, hand out its rows, and resume the calls that have all of theirs."""
        future = self._lanes.first_done(forward.future for forward in self._dispatched)
        forward = next(each for each in self._dispatched if each.future is future)
        self._dispatched.remove(forward)
        try:
            output, seconds = future.result()
            interfering = self._check.rows_interfere(forward.model, _of_requests(forward.pieces), output, forward.width)
        except Exception as error:  # the model is not ours: its calls are told, whatever it raised
            self._recover(forward, error)
            return
        if interfering:
            self._drain()
            self._pipeline.refusal = interfering
            self._run_all_alone(self._running, interfering)
            return
        seconds /= self._lanes.number  # a lane is 1/n of the machine: charge machine seconds, not lane seconds
        self._count(forward, seconds)
        row = 0
        for pending, first, stop in forward.pieces:
            pending.parts[first] = rows_of(output, row, row + stop - first, forward.width)
            pending.answered += stop - first
            pending.seconds += seconds * (stop - first) / forward.width  # filler rows are not charged to any call
            row += stop - first
        for pending, _, _ in forward.pieces:
            if pending.answered == pending.request.rows:
                pending.count(forward.width)
                self._resume(pending, joined([pending.parts[first] for first in sorted(pending.parts)]))

    def _drain(self) -> None:
        """Collect every forward that was dispatched."""
        while self._dispatched:
            self._collect()

    def _recover(self, forward: Forward, error: Exception) -> None:
        """A forward raised: make all forwards of its shape narrower, or run its calls alone."""
        forget_frames(error)
        self._drain()
        if out_of_memory(error) and forward.width > 1:
            if self._widths.halve(forward.shape, forward.width):
                self._begin_again(forward.shape)
        else:
            # It is not known whose rows are to blame: each call meets its own error, or none, by itself.
            pendings = [pending for pending, _, _ in forward.pieces if pending in self._running]
            self._run_all_alone(pendings, f"a shared forward raised {type(error).__name__}", error)

    def _begin_again(self, shape: str) -> None:
        """Queue the calls again that had answers at the old width of this shape; the others only ask again."""
        same = [pending for pending in self._running if pending.shape == shape]
        for pending in same:
            pending.forget_answers()
        begun = [pending for pending in same if pending.forwards and not pending.model.decodes]
        for pending in begun:
            insort(self._queue, pending.call, key=_longest_first)
        self._cancel(begun)

    def _count(self, forward: Forward, seconds: float) -> None:
        if forward.model.decodes:
            self.counts.decode_forwards += 1
            self.counts.decode_seconds += seconds
        else:
            rows = sum(stop - first for _, first, stop in forward.pieces)
            self.counts.forwards += 1
            self.counts.rows += rows
            self.counts.fillers += forward.width - rows
            self.counts.seconds += seconds

    def _resume(self, pending: Pending, answer: Any) -> None:
        if pending.resume(answer):
            return
        self._running.remove(pending)
        if isinstance(pending.error, CannotMerge):
            self._run_alone(pending.call, str(pending.error))
        else:
            self._ended.append(pending)

    def _run_alone(self, call: Call, reason: str, cause: Exception | None = None) -> None:
        if self._fallback:
            self.counts.alone[reason] = self.counts.alone.get(reason, 0) + 1
            self._ended.append(self._pipeline.run_alone(call, reason))
            return
        pending = self._pipeline.pending(call)
        pending.error = CannotMerge(f"{reason}: {cause}" if cause else reason)
        self._ended.append(pending)

    def _run_all_alone(self, pendings: list[Pending], reason: str, cause: Exception | None = None) -> None:
        calls = [pending.call for pending in pendings]
        self._cancel(pendings)
        for call in calls:
            self._run_alone(call, reason, cause)

    def _cancel(self, pendings: list[Pending]) -> None:
        for pending in list(pendings):
            pending.cancel()
            self._running.remove(pending)


def _longest_first(call: Call) -> float:
    return -call.length


def _work(call: Call) -> Work:
    return Work(1, call.length or USUAL_LENGTH)


def _rows_left(pendings: Iterable[Pending]) -> int:
    return sum(pending.rows_left for pending in pendings)


def _of_requests(pieces: Iterable[tuple[Pending, int, int]]) -> list[Piece]:
    return [(pending.request, first, stop) for pending, first, stop in pieces]
