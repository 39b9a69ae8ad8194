"""Several workers, as far as no process is needed: late answers, lost pieces, silence, and who is chosen where."""

import os
import pickle
import random
import threading
import time

import pytest
from tests.executors.little import little

from teststrip.errors import EngineError, StudyError, UsageError
from teststrip.executors.making import Maker, crossing_error
from teststrip.executors.named import configured, executor_of
from teststrip.executors.pieces import Pieces
from teststrip.executors.places import gpus, places
from teststrip.executors.several import SeveralWorkers
from teststrip.executors.silence import Silence
from teststrip.hosted import configuration
from teststrip.records import Failure, Saved, Shot, Waiting
from teststrip.testing.executor_contract import ENGINE, ExecutorContract
from teststrip.verbs.run import Session


class InTurns(SeveralWorkers):
    """Three workers that make their pieces in turns in this process. Every fifth piece is lost after a few answers.

    The network repeats each answer once, and brings the answers of lost pieces late.
    """

    def __init__(self):
        super().__init__()
        self.makers = [Maker() for _ in range(3)]
        self.at = {}
        self.late = []
        self.chance = random.Random(1)

    _most = 3

    def _hand_out(self, ref, pieces):
        for worker in range(3):
            if worker not in self.at and (piece := pieces.take(None, workers=3)):
                answers = self.makers[worker].answers(piece.number, ref, piece.shots)
                self.at[worker] = (piece.number, answers)

    def _heard(self, pieces):
        while self.late:
            number, answer = self.late.pop()
            if pieces.answered(number, answer.shot.id):
                yield answer
        worker = self.chance.choice(list(self.at))
        number, answers = self.at[worker]
        answer = next(answers, None)
        if answer is None:
            del self.at[worker]
            yield from self._done(number, pieces)
            return
        self.late.append((number, answer))
        if number % 5 == 0 and self.chance.random() < 0.5:
            del self.at[worker]
            yield from self._lost(number, pieces, "its node is gone", bearable=1000)
        elif pieces.answered(number, answer.shot.id):
            yield answer

    def _tell_to_finish(self, pieces):
        for worker, (number, _) in self.at.items():
            self.makers[worker].finish(number)

    def _abandon(self, pieces):
        self.at, self.late = {}, []

    def _end_all(self):
        """Holds nothing."""


class TestWorkersThatAreLostKeepTheContract(ExecutorContract):
    @pytest.fixture
    def executor(self):
        with InTurns() as executor:
            yield executor


class Credulous(Pieces):
    """Counts each answer, however late."""

    def answered(self, number, shot):
        super().answered(number, shot)
        return True


class Forgetful(Pieces):
    """Forgets the pieces that are lost."""

    def lost(self, number, why, *, blameless=False):
        self.end(number)
        return []


class CountsLateAnswers(InTurns):
    pieces = Credulous


class LosesPieces(InTurns):
    pieces = Forgetful


@pytest.mark.parametrize("faulty", [CountsLateAnswers, LosesPieces])
def test_the_contract_catches_a_planted_fault(faulty):
    with faulty() as executor, pytest.raises((AssertionError, KeyError)):
        ExecutorContract().test_every_shot_is_answered_once(executor)


@pytest.mark.parametrize(
    ("visible", "cards"),
    [
        ("0,1", ["0", "1"]),
        ("GPU-8932f937-d72c, GPU-1", ["GPU-8932f937-d72c", "GPU-1"]),
        ("MIG-GPU-1/7/0", ["MIG-GPU-1/7/0"]),
        ("", []),
        ("-1", []),
        ("0,-1,1", ["0"]),
        ("NoDevFiles", []),
    ],
)
def test_cards_are_those_that_cuda_would_see(visible, cards, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpus() == cards


@pytest.mark.parametrize("number", [1, 2, 1000])
def test_a_system_that_binds_no_process_to_cores_still_shares_its_threads(number, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    found = places(number, [], [])
    assert {place.cores for place in found} == {()}
    assert {place.variables["OMP_NUM_THREADS"] for place in found} == {str(max(1, os.cpu_count() // number))}


def test_more_workers_than_cores_run_on_any_core_with_a_thread_each(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert {(place.cores, place.variables["OMP_NUM_THREADS"]) for place in places(3, [], [4, 5])} == {((), "1")}


@pytest.mark.parametrize("patience", [0, 0.5, 1800])
def test_the_driver_never_waits_without_end(patience):
    assert 0 < Silence(patience).longest_wait <= 1


def test_only_the_time_in_which_the_driver_waits_counts_as_silence():
    silence = Silence(3)
    assert silence.waited(2, under_way=[1, 2], heard=[]) == []
    assert silence.waited(2, under_way=[1, 2], heard=[1]) == [2]
    assert silence.waited(2, under_way=[1], heard=[]) == []
    assert silence.waited(2, under_way=[1, 2], heard=[]) == [1]
    assert Silence(0).waited(10**9, under_way=[1], heard=[]) == []


def test_the_configuration_chooses_an_executor_and_the_command_overrules_it(tmp_path):
    file = tmp_path / "config.toml"
    file.write_text('[executor]\nname = "processes"\nworkers = 2\npatience = 60\n', encoding="utf-8")
    table = configuration.read({configuration.VARIABLE: str(file)}).executor
    assert configured(table) == "processes"
    assert configured({}) == ""
    with executor_of("processes", table) as two, executor_of("processes:3", table) as three:
        assert (two._most, three._most) == (2, 3)
    executor_of("local", table).close()  # the table is about another one


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"workers": 2}, "name is missing"),
        ({"name": 3}, "name must be text"),
        ({"name": "processes", "worker": 2}, "unknown key 'worker'"),
        ({"name": "processes", "workers": 0}, "workers must be a whole number from 1"),
        ({"name": "processes", "workers": True}, "workers must be a whole number"),
        ({"name": "processes", "workers": 1, "patience": -1}, "patience must be a number of at least 0"),
        ({"name": "local", "workers": 2}, "local takes none"),
        ({"name": "nothing-such"}, "unknown executor"),
    ],
)
def test_a_wrong_table_is_refused_with_its_place(table, says):
    with pytest.raises(UsageError, match=says):
        executor_of(configured(table), table)


class Dying(InTurns):
    """Workers that end at some shots, or at every one, before they answer."""

    def __init__(self, deadly):
        super().__init__()
        self.deadly = deadly

    def _heard(self, pieces):
        worker = next(iter(self.at))
        number, answers = self.at[worker]
        answer = next(answers, None)
        if answer is None:
            del self.at[worker]
            yield from self._done(number, pieces)
        elif self.deadly(answer.shot.seed):
            del self.at[worker]
            yield from self._lost(number, pieces, "signal 9")
        elif pieces.answered(number, answer.shot.id):
            self._fruitless = 0
            yield answer


@pytest.mark.parametrize("deadly", [{0}, {0, 1}, {0, 7, 20, 39}])
def test_shots_that_end_workers_fail_and_all_others_are_made(deadly):
    with Dying(deadly.__contains__) as executor:
        shots = [Shot(ENGINE, {"prompt": "an owl", "seed": 100 + n, "width": 16, "height": 16}) for n in range(40)]
        executor.deadly = lambda seed: seed - 100 in deadly
        answers = list(executor.run(ENGINE, shots))
    assert sorted(one.shot.seed - 100 for one in answers if isinstance(one, Failure)) == sorted(deadly)
    assert len(answers) == 40


def test_workers_that_end_at_every_shot_end_the_run():
    shots = [Shot(ENGINE, {"prompt": "an owl", "seed": n, "width": 16, "height": 16}) for n in range(40)]
    with Dying(lambda seed: True) as executor, pytest.raises(EngineError, match="end before they answer"):
        list(executor.run(ENGINE, shots))


class OfTwo(EngineError):
    """An error that is made of two words."""

    def __init__(self, what, where):
        super().__init__(what, where)


@pytest.mark.parametrize(
    ("error", "crossed"),
    [
        (StudyError("width: 7 is odd"), StudyError("width: 7 is odd")),
        (OfTwo("lost", "here"), EngineError("OfTwo: ('lost', 'here')")),
        (ValueError("not finite\n  at line 7"), EngineError("ValueError: not finite")),
    ],
)
def test_each_error_crosses_to_the_driver(error, crossed):
    found = pickle.loads(pickle.dumps(crossing_error(error)))
    assert (type(found), found.args) == (type(crossed), crossed.args)


class Busy(InTurns):
    """A cluster that is busy with other work: no worker gets a piece, and nothing is ever answered."""

    until = float("inf")

    def _hand_out(self, ref, pieces):
        if self.until == float("inf"):
            self.until = time.monotonic() + 20
            self._say("all nodes are busy")

    def _heard(self, pieces):
        assert time.monotonic() < self.until, "the stop was not noticed"
        time.sleep(0.01)
        yield from ()


class Events:
    """Keeps what it is notified of."""

    def __init__(self):
        self.seen = []

    def on_event(self, event):
        self.seen.append(event)

    def close(self):
        """Holds nothing."""


def test_a_run_that_waits_says_so_and_ends_when_it_is_stopped(tmp_path):
    events = Events()
    with Session.open(little(), tmp_path, trackers=[events], executor=Busy()) as session:
        threading.Timer(0.1, session.stopped.set).start()
        session.make(session.todo())
    session.result.close()
    assert [event.why for event in events.seen if isinstance(event, Waiting)] == ["all nodes are busy"]
    assert not [event for event in events.seen if isinstance(event, Saved)]
