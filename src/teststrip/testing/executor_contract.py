"""What every Executor keeps: each shot answered once, failures as values, a stream that is pulled lazily, an early end.

To use it: subclass `ExecutorContract` and give a fixture `executor`, open and without a run under way; several tests
may share one. The pictures are those of the engine `pattern`, whose bytes are the same on every machine.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import pytest

from teststrip.errors import UsageError
from teststrip.executors.local import open_engine
from teststrip.protocols import Executor, Waits
from teststrip.records import EngineRef, Failure, Render, Shot, Value

ENGINE = EngineRef("pattern", {}, {"fail": "seed=3"})
"""An engine that refuses one seed of each setting."""

SLOW = EngineRef("pattern", {}, {"seconds": 0.01})


def shots(ref: EngineRef = ENGINE) -> Iterator[Shot]:
    """Shots without end: settings change slowly, seeds fast, and the longest do not come first."""
    for number in itertools.count():
        settings: dict[str, Value] = {
            "prompt": "an owl",
            "seed": number % 6,
            "num_inference_steps": 1 + 7 * (number // 6) % 50,
            "guidance_scale": 1.0 + number // 300,
            "width": 16,
            "height": 16,
        }
        yield Shot(ref, settings)


def asked(number: int, ref: EngineRef = ENGINE) -> list[Shot]:
    """The first so many shots."""
    return list(itertools.islice(shots(ref), number))


class ExecutorContract:
    """Subclass it, and give a fixture `executor`."""

    def test_every_shot_is_answered_once(self, executor: Executor) -> None:
        answers = [answer.shot.id for answer in executor.run(ENGINE, asked(150))]
        assert sorted(answers) == sorted(shot.id for shot in asked(150))

    def test_pictures_are_those_of_the_engine_and_failures_are_answers(self, executor: Executor) -> None:
        expected = {answer.shot.id: answer for answer in open_engine(ENGINE).render(asked(24))}
        for answer in executor.run(ENGINE, asked(24)):
            own = expected[answer.shot.id]
            assert type(answer) is type(own)
            if isinstance(answer, Render) and isinstance(own, Render):
                assert answer.data == own.data
                assert answer.small == own.small
                assert answer.fingerprint == own.fingerprint == executor.fingerprint(answer.shot)
            elif isinstance(answer, Failure) and isinstance(own, Failure):
                assert (answer.reason, answer.text, answer.retryable) == (own.reason, own.text, own.retryable)

    def test_an_answer_holds_the_shot_as_it_was_asked(self, executor: Executor) -> None:
        mine = {shot.id: shot for shot in asked(8)}
        assert all(answer.shot == mine[answer.shot.id] for answer in executor.run(ENGINE, mine.values()))

    def test_no_shot_is_no_answer(self, executor: Executor) -> None:
        assert list(executor.run(ENGINE, ())) == []

    def test_shots_are_pulled_lazily(self, executor: Executor) -> None:
        answers = executor.run(ENGINE, shots())  # all of them would never be pulled
        first = {answer.shot.id for answer in itertools.islice(answers, 20)}
        assert len(first) == 20
        close = getattr(answers, "close", None)
        if close:
            close()

    def test_finish_ends_a_run_before_its_last_shot_and_the_next_run_is_whole(self, executor: Executor) -> None:
        stopped = False

        def until_stopped() -> Iterator[Shot]:
            for shot in shots(SLOW):
                if stopped:
                    return
                yield shot

        answers = executor.run(SLOW, until_stopped())
        seen = [next(answers).shot.id]
        stopped = True
        executor.finish()
        seen += [answer.shot.id for answer in answers]
        assert len(seen) == len(set(seen))
        assert len(seen) < 64
        after = list(executor.run(ENGINE, asked(30)))
        assert sorted(answer.shot.id for answer in after) == sorted(shot.id for shot in asked(30))
        assert {answer.shot.seed for answer in after if isinstance(answer, Failure)} == {3}

    def test_a_stop_that_is_noticed_while_it_waits_ends_a_run(self, executor: Executor) -> None:
        if not isinstance(executor, Waits):
            pytest.skip("this executor waits for nothing from elsewhere")
        stopped = threading.Event()
        executor.attend(stopped.is_set, lambda why: None)
        try:
            answers = iter(executor.run(SLOW, asked(200, SLOW)))
            seen = [next(answers).shot.id]
            stopped.set()
            seen += [answer.shot.id for answer in answers]
        finally:
            executor.attend(lambda: False, lambda why: None)
        assert len(seen) == len(set(seen))
        assert len(seen) < 100
        assert len(list(executor.run(ENGINE, asked(30)))) == 30

    def test_an_unknown_engine_is_said_before_a_shot_is_asked_for(self, executor: Executor) -> None:
        with pytest.raises(UsageError):
            executor.open([EngineRef("no-such-engine")])
