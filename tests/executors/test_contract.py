"""The local executor keeps the contract; executors with planted faults do not."""

import itertools

import pytest

from teststrip.errors import UsageError
from teststrip.executors.local import LocalExecutor
from teststrip.executors.named import executor_of
from teststrip.testing.executor_contract import ExecutorContract


class TestLocalKeepsTheContract(ExecutorContract):
    @pytest.fixture
    def executor(self):
        with LocalExecutor() as executor:
            yield executor


class Twice(LocalExecutor):
    """Counts a late answer a second time."""

    def run(self, engine, shots):
        answers = super().run(engine, shots)
        first = next(answers, None)
        if first:
            yield from (first, *itertools.islice(answers, 5), first)
        yield from answers


class Loses(LocalExecutor):
    """Loses a piece."""

    def run(self, engine, shots):
        yield from itertools.islice(super().run(engine, shots), 10, None)


class Eager(LocalExecutor):
    """Pulls eighty shots before it answers one."""

    def run(self, engine, shots):
        return super().run(engine, list(itertools.islice(shots, 80)))

    def finish(self):
        """Goes on."""


@pytest.mark.parametrize(
    ("faulty", "test"),
    [
        (Twice, "test_every_shot_is_answered_once"),
        (Loses, "test_every_shot_is_answered_once"),
        (Eager, "test_finish_ends_a_run_before_its_last_shot_and_the_next_run_is_whole"),
    ],
)
def test_the_contract_catches_a_planted_fault(faulty, test):
    with faulty() as executor, pytest.raises(AssertionError):
        getattr(ExecutorContract(), test)(executor)


@pytest.mark.parametrize("words", ["loca", "local:2", "processes:0", "processes:many", "processes:-1"])
def test_words_that_name_no_executor_are_refused(words):
    with pytest.raises(UsageError):
        executor_of(words)


def test_words_name_an_executor_and_how_many():
    assert isinstance(executor_of("local"), LocalExecutor)
    with executor_of("processes:3") as executor:
        assert type(executor).__name__ == "ProcessesExecutor"
        assert executor.pids == []
