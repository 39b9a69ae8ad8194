"""Computes forwards in lanes: by a replacement, by a recording, or by the model itself.

Knows how rows are stacked and who computes them; nothing of calls, order or widths.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

import torch

from teststrip.batching.answers import marked
from teststrip.batching.calls import Counts, forget_frames
from teststrip.batching.lanes import Lanes
from teststrip.batching.pending import ProxiedModel
from teststrip.batching.recording import POSSIBLE, Limits, Recorder
from teststrip.batching.stacking import Piece, Request, stacked

# Forwards that the trial of one width costs, at most (`ModelRunner.seconds`): timed ones alone; with a recording, which
# costs about 32, and the forwards timed before and after; with a replacement, which is compiled for each width.
TIMED = 6
RECORDED = 2 * TIMED + 32
COMPILED = 200


def settled(device: torch.device) -> None:
    """Block until what was asked of a device is computed; a processor computes at once."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


class ModelRunner:
    """Computes the forwards of a pipeline's models.

    Args:
        models: by component name.
        lanes: where forwards are computed.
        replacements: by component name, what to call in place of the model.
        recording: when forwards are recorded; None = never.
        counts: `recorded` goes up with each recording.
        settle: blocks until what was asked of a device is computed. Without it the seconds of a forward would be those
            of asking for it, and the call that next reads a number would be charged for all that is under way.
        clock: by whose seconds widths are compared; None = on a CPU the time that this process was given, because other
            programs must not decide, and elsewhere the clock's.
    """

    def __init__(
        self,
        models: Mapping[str, ProxiedModel],
        lanes: Lanes,
        *,
        replacements: Mapping[str, Callable[..., Any]],
        recording: Limits | None,
        counts: Counts,
        settle: Callable[[torch.device], None] = settled,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._settle = settle
        self._clock = clock
        self._lanes = lanes
        self._replacements = replacements
        self._counts = counts
        self._recorders = {
            name: Recorder(model.model, model.compute, recording)
            for name, model in models.items()
            if recording and POSSIBLE and model.device.type == "cpu" and not model.hooked and name not in replacements
        }

    def start(self, model: ProxiedModel, pieces: Sequence[Piece], width: int) -> Future[tuple[Any, float]]:
        """Compute a forward in the next free lane.

        Args:
            model: which computes.
            pieces: the rows, taken from requests.
            width: rows of the forward; filler rows make up what is missing.

        Returns:
            the output, and the seconds that the forward took.
        """
        return self._lanes.submit(partial(self._timed, model, pieces, width))

    def record_due(self) -> None:
        """Record the kinds of forward that came often enough."""
        for recorder in self._recorders.values():
            self._counts.recorded += recorder.record()

    def seconds(self, model: ProxiedModel, request: Request, width: int) -> float | None:
        """The time of one forward that is full of the request's rows; None where it cannot be computed.

        The least of several forwards, because disturbance only adds.
        """
        clock = self._clock or (time.process_time if model.device.type == "cpu" else time.perf_counter)
        full = [(request, 0, request.rows)] * (width // request.rows)
        recorder = self._recorders.get(model.name)
        taken: list[float] = []
        while len(taken) < 3 or (len(taken) < 6 and sum(taken) < 1):
            begin = clock()
            try:
                self.start(model, full, width).result()
            except Exception as error:  # memory ran out: the search ends; another fault comes again in a real forward
                forget_frames(error)
                return None
            taken.append(clock() - begin)
            if recorder and (made := recorder.record(stacked(full, width), taken[-1])):
                self._counts.recorded += made
                taken.clear()  # from here on the recording runs, so its time is the one that counts
        return min(taken)

    def forwards_of_a_trial(self, model: ProxiedModel, request: Request) -> int:
        """How many forwards `seconds` takes for one width, at most. Computes one to know whether it is recorded."""
        if model.name in self._replacements:
            return COMPILED
        recorder = self._recorders.get(model.name)
        if recorder is None:
            return TIMED
        try:
            _, seconds = self.start(model, [(request, 0, request.rows)], request.rows).result()
        except Exception as error:  # it comes again in the first real forward, where the calls are told
            forget_frames(error)
            return TIMED
        return RECORDED if recorder.is_short(seconds) else TIMED

    def _timed(self, model: ProxiedModel, pieces: Sequence[Piece], width: int) -> tuple[Any, float]:
        begin = time.perf_counter()
        output = self._computed(model, stacked(pieces, width))
        self._settle(model.device)
        if pieces[0][0].listed:
            output = marked(output, width)
        return output, time.perf_counter() - begin

    def _computed(self, model: ProxiedModel, tree: Mapping[str, Any]) -> Any:
        replacement = self._replacements.get(model.name)
        if replacement is not None:
            args, kwargs = model.reader.bind(tree)
            return replacement(*args, **kwargs)
        recorder = self._recorders.get(model.name)
        return recorder.run(tree) if recorder else model.compute(tree)
