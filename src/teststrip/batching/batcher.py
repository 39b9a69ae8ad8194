"""The driver: starts calls, lets them meet at the model, runs one forward for many, hands out the rows.

Knows widths, order and memory; nothing of schedulers, pipelines' insides or files.
"""

from __future__ import annotations

import time
from bisect import insort
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch

from teststrip.batching.calls import Call, CannotMerge, Counts, Done, Failed, out_of_memory
from teststrip.batching.lanes import Lanes
from teststrip.batching.recording import POSSIBLE, Recorder
from teststrip.batching.stacking import Piece, Request, joined, rows_of, stacked, tensors
from teststrip.batching.stage import Door, Guest, Stage
from teststrip.batching.width import LADDER, MOST_ON_CPU, smallest_good

# Positions of latents decoded at once, up to 8 pictures: decoders are large and gain little from company.
DECODED = 2048
# Calls under way for each row of a forward, at most: enough that calls of a few different shapes fill forwards.
GUESTS = 4
# Another batch rounds differently on some accelerators. More than this (of the largest value) is another picture.
ROUNDING = {torch.float64: 1e-6, torch.float32: 1e-3}
ROUNDING_OF_HALF = 5e-2


@dataclass(frozen=True, slots=True)
class Flight:
    """A forward in a lane. Attributes: future: (output, seconds); pieces: guest, first row, stop; width; shape."""

    future: Future[Any]
    pieces: list[tuple[Guest, int, int]]
    width: int
    shape: str


class Batcher:
    """Continuous batching of the calls of one pipeline; see the package for the idea and an example.

    Not for use by two threads at once: greenlets belong to the thread that reads `run`.

    Args:
        pipeline: any Diffusers pipeline whose denoiser takes a batch; it is not changed.
        rows: rows of every denoiser forward; "auto" finds the smallest good number for each shape of row.
        decode_rows: rows of every decoder forward; "auto" goes by the size of the latents.
        denoisers: names of the components to meet at; None finds them.
        forwards: for a component name, what to call in place of the model (a compiled or converted one): it takes the
            model's arguments, always with the same number of rows, and answers as the model does.
        lonely: whether calls that cannot be merged are made alone, on the models as they are, whatever `forwards` has;
            else they fail with CannotMerge.
        window: calls looked at ahead of time to start the longest first; pulled lazily, so a slow reader slows the run.
        threads: on a CPU, forwards of a model as it is run side by side in lanes that share out so many threads.
        recorded: on a CPU, short forwards of a model as it is are recorded after a while and run without Python, with
            the same bytes (`recording`). False for models whose Python does more than compute: attention processors
            that keep what they see, for example.
        known: widths found earlier, by shape of row; what is found is written into it. Keep it with the results: the
            same widths give the same bytes.

    Attributes:
        counts: forwards, rows, fillers and what else happened so far; live while `run` is under way.
    """

    def __init__(
        self,
        pipeline: Any,
        *,
        rows: int | Literal["auto"] = "auto",
        decode_rows: int | Literal["auto"] = "auto",
        denoisers: Sequence[str] | None = None,
        forwards: Mapping[str, Callable[..., Any]] | None = None,
        lonely: bool = True,
        window: int = 64,
        threads: int = 1,
        recorded: bool = True,
        known: MutableMapping[str, int] | None = None,
    ) -> None:
        if any(number != "auto" and number < 1 for number in (rows, decode_rows)):
            raise ValueError(f"a forward has at least one row, not rows={rows}, decode_rows={decode_rows}")
        self.counts = Counts()
        self._stage = Stage(pipeline, denoisers)
        self._rows = rows
        self._decode_rows = decode_rows
        self._forwards = dict(forwards or {})
        self._recorders = {
            name: Recorder(door.model, door.perform)
            for name, door in self._stage.doors.items()
            if recorded and POSSIBLE and door.device.type == "cpu" and not door.hooked and name not in self._forwards
        }
        self._lonely = lonely
        self._window = max(window, 1)
        self._lanes = Lanes(threads)
        self._flights: list[Flight] = []
        self._wide = self._lanes.number  # rows of all lanes together, as far as is known
        self._known: MutableMapping[str, int] = {} if known is None else known
        self._checked: set[Hashable] = set()
        self._pending: list[Call] = []
        self._live: list[Guest] = []
        self._stopped = False
        self._ended: deque[Guest] = deque()

    @property
    def refusal(self) -> str:
        """Why no call of this pipeline can be merged; "" when they can, as far as is known yet."""
        return self._stage.refusal

    def run(self, calls: Iterable[Call]) -> Iterator[Done | Failed]:
        """One answer for each call, in the order in which they come to an end.

        A call that raises, runs out of memory by itself or ends in NaN is `Failed`; the others go on. When a shared
        forward runs out of memory its width is halved for all that follow, and calls begun at the old width begin
        again, so that every picture has one width. Closing the iterator ends all calls under way.
        """
        with self._lanes.open():
            yield from self._run(iter(calls))

    def _run(self, source: Iterator[Call]) -> Iterator[Done | Failed]:
        self._stopped = False
        try:
            while True:
                # Pulling a call runs the caller's code and yielding returns to it: neither may see inference mode.
                while not self._stopped and len(self._pending) < self._window:
                    call = next(source, None)
                    if call is None:
                        break
                    insort(self._pending, call, key=_longest_first)
                while self._ended:
                    yield _answer(self._ended.popleft())
                if not self._pending and not self._live:
                    return
                # One mode around everything: the calls' own no_grad blocks interleave and must all mean the same.
                with torch.inference_mode():
                    self._advance()
        finally:
            with torch.inference_mode():  # the calls' no_grad blocks end in here, too
                self._dismiss(self._live)
            self._pending.clear()
            self._ended.clear()

    def stop(self) -> None:
        """Start nothing more: `run` goes on to the end of the calls under way, and leaves the others unanswered."""
        self._stopped = True
        self._pending.clear()

    def rest(self) -> None:
        """Wait until nothing computes: for whoever pauses between two answers and measures."""
        wait([flight.future for flight in self._flights])

    def alone(self, call: Call) -> Done | Failed:
        """The same call made by itself, on the models as they are: what merged calls are compared with."""
        with torch.inference_mode():
            return _answer(self._stage.alone(call, "asked for"))

    # --- one step --------------------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Send rows into a lane; start a call when there are too few; else wait for the first lane to be done.

        Behind the forward that a lane computes another may wait, if it is full: then the lane goes on at once, whatever
        the driver is busy with.
        """
        free = len(self._flights) < self._lanes.number
        room = len(self._flights) < self._lanes.room
        if self._stage.refusal:
            if self._flights:
                self._land()
            else:
                self._make_alone(self._pending.pop(0), self._stage.refusal)
        elif room and (waiting := self._next()) and (free or _open(waiting) >= self._width(waiting[0])):
            self._depart(waiting)
        elif room and self._pending and self._under_way() < GUESTS * self._wide:
            guest = self._stage.guest(self._pending.pop(0))
            self._live.append(guest)
            self._resume(guest, None)
        else:
            self._land()

    def _next(self) -> list[Guest]:
        """The guests whose rows should go now; none when another call should start first, or a lane be waited for."""
        decoding = self._fullest(decoding=True)
        if decoding and _open(decoding) >= self._width(decoding[0]):
            return decoding
        waiting = self._fullest(decoding=False)
        full = bool(waiting) and _open(waiting) >= self._width(waiting[0])
        if not full and self._pending and self._under_way() < GUESTS * self._wide:
            return []
        # A decoder's forward that is not full waits for what is still in the lanes.
        return waiting or ([] if self._flights else decoding)

    def _under_way(self) -> int:
        return sum(not guest.door.decodes for guest in self._live)

    def _fullest(self, *, decoding: bool) -> list[Guest]:
        groups: dict[Hashable, list[Guest]] = {}
        for guest in self._live:
            if guest.door.decodes == decoding and guest.open:
                groups.setdefault((guest.door.name, guest.request.signature), []).append(guest)
        return max(groups.values(), key=_open, default=[])

    def _depart(self, waiting: list[Guest]) -> None:
        """Fill a forward with rows of these guests and send it into a lane."""
        for recorder in self._recorders.values():
            self.counts.recorded += recorder.record()
        door, width = waiting[0].door, self._width(waiting[0])
        pieces: list[tuple[Guest, int, int]] = []
        room = width
        for guest in sorted(waiting, key=lambda guest: guest.forwards - guest.call.length):  # most left to do first
            take = min(room, guest.open)
            if take:
                pieces.append((guest, guest.asked, guest.asked + take))
                guest.asked += take
                room -= take
        asked = [(guest.request, first, stop) for guest, first, stop in pieces]
        future = self._lanes.start(partial(self._timed_forward, door, asked, width))
        self._flights.append(Flight(future, pieces, width, waiting[0].shape))

    def _land(self) -> None:
        """Wait for the first lane to be done, and hand out its rows."""
        future = self._lanes.first(flight.future for flight in self._flights)
        flight = next(each for each in self._flights if each.future is future)
        self._flights.remove(flight)
        door = flight.pieces[0][0].door
        asked = [(guest.request, first, stop) for guest, first, stop in flight.pieces]
        try:
            output, seconds = future.result()
            strangers = self._strangers(door, asked, output, flight.width)
        except Exception as error:  # the model belongs to somebody else; its calls hear of it
            self._failed(flight, error)
            return
        if strangers:
            self._settle()
            self._stage.refusal = strangers
            self._part(self._live, strangers)
            return
        seconds /= self._lanes.number  # of the machine
        rows = sum(stop - first for _, first, stop in flight.pieces)
        self._count(door, rows, flight.width - rows, seconds)
        row = 0
        for guest, first, stop in flight.pieces:
            guest.parts[first] = rows_of(output, row, row + stop - first, flight.width)
            guest.served += stop - first
            guest.seconds += seconds * (stop - first) / flight.width  # fillers are nobody's cost
            row += stop - first
        for guest, _, _ in flight.pieces:
            if guest.served == guest.request.rows:
                guest.note(flight.width)
                self._resume(guest, joined([guest.parts[first] for first in sorted(guest.parts)]))

    def _settle(self) -> None:
        """Land whatever is still in a lane."""
        while self._flights:
            self._land()

    def _failed(self, flight: Flight, error: Exception) -> None:
        """A forward raised: narrow all, or let its calls meet the error alone."""
        self._settle()
        if out_of_memory(error) and flight.width > 1:
            if self.counts.widths[flight.shape] == flight.width:  # else another lane has halved it already
                self._halve(flight.shape, flight.width)
        else:
            # Nobody knows whose rows are to blame: each call meets its own error, or none, by itself.
            guests = [guest for guest, _, _ in flight.pieces if guest in self._live]
            self._part(guests, f"a shared forward raised {type(error).__name__}", error)

    def _timed_forward(self, door: Door, asked: Sequence[Piece], width: int) -> tuple[Any, float]:
        begin = time.perf_counter()
        output = self._forward(door, asked, width)
        return output, time.perf_counter() - begin

    def _forward(self, door: Door, asked: Sequence[Piece], width: int) -> Any:
        tree = stacked(asked, width)
        if door.name in self._forwards:
            args, kwargs = door.reader.bind(tree)
            return self._forwards[door.name](*args, **kwargs)
        recorder = self._recorders.get(door.name)
        return recorder.run(tree) if recorder else door.perform(tree)

    def _strangers(self, door: Door, asked: list[Piece], output: Any, width: int) -> str:
        """Once for each signature: whether a row is the same beside other rows. Not all models promise it."""
        request, first, stop = asked[0]
        if len(asked) == 1 or request.signature in self._checked:
            return ""
        self._checked.add(request.signature)
        beside = rows_of(output, 0, stop - first, width)
        alone = self._lanes.start(partial(self._forward, door, asked[:1], width)).result()
        apart = rows_of(alone, 0, stop - first, width)
        for one, two in zip(tensors(beside), tensors(apart), strict=True):
            if one.shape != two.shape:
                return f"the rows of its {door.name}'s batches have lengths that depend on each other"
            if not torch.equal(one, two) and bool(torch.isfinite(two).all()):
                self.counts.same_bytes = False
                if (one - two).abs().max() > ROUNDING.get(two.dtype, ROUNDING_OF_HALF) * two.abs().max():
                    return f"the rows of its {door.name}'s batches change each other"
        return ""

    def _count(self, door: Door, rows: int, fillers: int, seconds: float) -> None:
        if door.decodes:
            self.counts.decode_forwards += 1
            self.counts.decode_seconds += seconds
        else:
            self.counts.forwards += 1
            self.counts.rows += rows
            self.counts.fillers += fillers
            self.counts.seconds += seconds

    # --- calls -----------------------------------------------------------------------------------------------

    def _resume(self, guest: Guest, answer: Any) -> None:
        if guest.resume(answer):
            return
        self._live.remove(guest)
        if isinstance(guest.error, CannotMerge):
            self._make_alone(guest.call, str(guest.error))
        else:
            self._ended.append(guest)

    def _make_alone(self, call: Call, reason: str, cause: Exception | None = None) -> None:
        if self._lonely:
            self.counts.alone[reason] = self.counts.alone.get(reason, 0) + 1
            self._ended.append(self._stage.alone(call, reason))
            return
        guest = self._stage.guest(call)
        guest.error = CannotMerge(f"{reason}: {cause}" if cause else reason)
        self._ended.append(guest)

    def _part(self, guests: list[Guest], reason: str, cause: Exception | None = None) -> None:
        calls = [guest.call for guest in guests]
        self._dismiss(guests)
        for call in calls:
            self._make_alone(call, reason, cause)

    def _dismiss(self, guests: list[Guest]) -> None:
        for guest in list(guests):
            guest.leave()
            self._live.remove(guest)

    # --- width -----------------------------------------------------------------------------------------------

    def _width(self, guest: Guest) -> int:
        if guest.shape not in self.counts.widths:
            width = self.counts.widths[guest.shape] = self._first_width(guest)
            if not guest.door.decodes:
                self._wide = max(self._wide, width * self._lanes.number)
        return self.counts.widths[guest.shape]

    def _first_width(self, guest: Guest) -> int:
        shape = guest.request.shape
        if guest.door.decodes:
            positions = shape[-1] * shape[-2] if len(shape) > 1 else DECODED
            return max(1, min(8, DECODED // positions)) if self._decode_rows == "auto" else self._decode_rows
        if self._rows != "auto":
            return self._rows
        if guest.shape not in self._known:
            door, request = guest.door, guest.request
            most = MOST_ON_CPU // self._lanes.number if door.device.type == "cpu" else LADDER[-1]
            self._known[guest.shape] = smallest_good(
                lambda rows: self._timed(door, request, rows), request.rows, max(most, request.rows)
            )
        return self._known[guest.shape]

    def _timed(self, door: Door, request: Request, width: int) -> float | None:
        # On a CPU the time that this process was given, not the clock's: others on the machine must not decide.
        clock = time.process_time if door.device.type == "cpu" else time.perf_counter
        full = [(request, 0, request.rows)] * (width // request.rows)
        recorder = self._recorders.get(door.name)
        taken: list[float] = []
        while len(taken) < 3 or (len(taken) < 6 and sum(taken) < 1):  # the least of several: disturbance only adds
            begin = clock()
            try:
                self._lanes.start(partial(self._forward, door, full, width)).result()
                if door.device.type != "cpu":
                    torch.accelerator.synchronize(door.device)
            except Exception:  # out of memory ends the search; anything else the first forward will say
                return None
            taken.append(clock() - begin)
            if recorder and (made := recorder.record(stacked(full, width), taken[-1])):
                self.counts.recorded += made
                taken.clear()  # what will run is the recording
        return min(taken)

    def _halve(self, shape: str, width: int) -> None:
        self.counts.widths[shape] = width // 2
        if shape in self._known:
            self._known[shape] = width // 2
        self.counts.halved.append(f"{shape}: out of memory at {width} rows, {width // 2} from here on")
        same = [guest for guest in self._live if guest.shape == shape]
        for guest in same:
            guest.parts, guest.asked, guest.served = {}, 0, 0
        begun = [guest for guest in same if guest.forwards and not guest.door.decodes]
        for guest in begun:
            insort(self._pending, guest.call, key=_longest_first)
        self._dismiss(begun)


def _longest_first(call: Call) -> float:
    return -call.length


def _open(guests: Iterable[Guest]) -> int:
    return sum(guest.open for guest in guests)


def _answer(guest: Guest) -> Done | Failed:
    call, error = guest.call, guest.error
    if error is not None:
        return Failed(call, "oom" if out_of_memory(error) else "error", error)
    if not all(bool(torch.isfinite(part).all()) for part in tensors(guest.output) if part.is_floating_point()):
        return Failed(call, "nan", ArithmeticError("the call ended in values that are not finite"))
    return Done(
        call=call,
        output=guest.output,
        seconds=guest.seconds,
        forwards=guest.forwards,
        denoiser_calls=guest.denoiser_calls,
        rows=guest.rows,
        decode_rows=guest.decode_rows,
        alone=guest.alone,
    )
