"""Processes: the contract, the pictures of `local`, and workers that are killed."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from tests import installing
from tests.executors.little import little
from tests.hosted.webui_service import WebuiService

from teststrip.executors.actor import Actor
from teststrip.executors.processes import ProcessesExecutor
from teststrip.executors.worker import FAREWELL
from teststrip.hosted import configuration
from teststrip.records import EngineRef, Failure, Render, Shot
from teststrip.servers import NOT_ASKED
from teststrip.study import study
from teststrip.testing.executor_contract import SLOW, ExecutorContract, asked
from teststrip.verbs.run import Session


@pytest.fixture(scope="module")
def two():
    with ProcessesExecutor(2) as executor:
        yield executor


class TestProcessesKeepTheContract(ExecutorContract):
    @pytest.fixture
    def executor(self, two):
        return two


def test_workers_that_are_killed_lose_no_shot_and_answer_none_twice(two):
    answers, killed = [], []
    for answer in two.run(SLOW, asked(120, SLOW)):
        answers.append(answer)
        if len(answers) in (10, 50):
            killed.append(two.pids[len(killed)])
            os.kill(killed[-1], signal.SIGKILL)
    assert len(set(killed)) == 2
    assert [answer for answer in answers if not isinstance(answer, Render)] == []
    assert sorted(answer.shot.id for answer in answers) == sorted(shot.id for shot in asked(120, SLOW))
    assert not set(killed) & set(two.pids)


def test_an_error_of_the_engine_in_a_worker_is_raised_in_the_driver(two):
    broken = EngineRef("pattern", {}, {"fail": ""})
    for pid in two.pids:
        os.kill(pid, signal.SIGKILL)
    assert len(list(two.run(broken, asked(4, broken)))) == 4  # workers that died idle are replaced


def test_an_engine_that_asks_a_server_of_the_users_own_stays_in_the_driver(tmp_path, monkeypatch):
    pytest.importorskip("httpx2")
    ref = EngineRef("webui", {"provider": "here"})
    shots = [Shot(ref, {"prompt": "an owl", "seed": seed, "width": 64, "height": 64}) for seed in range(3)]
    with WebuiService() as service, ProcessesExecutor(1) as executor:
        (tmp_path / "config.toml").write_text(f'[providers.here]\nbase_url = "{service.url}"\n', encoding="utf-8")
        monkeypatch.setenv(configuration.VARIABLE, str(tmp_path / "config.toml"))
        executor.open([ref])
        known = executor.fingerprint(shots[0])
        assert NOT_ASKED not in known.facts
        assert [answer.fingerprint for answer in executor.run(ref, shots)] == [known] * 3
        assert executor.pids == []


def test_a_worker_runs_no_module_of_the_working_folder(tmp_path, monkeypatch):
    for name in ("queue", "PIL", "numpy"):
        (tmp_path / f"{name}.py").write_text("open('ran', 'w').close()\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with ProcessesExecutor(1) as executor:
        assert isinstance(next(executor.run(SLOW, asked(1, SLOW))), Render)
    assert not (tmp_path / "ran").exists()


def test_a_process_that_hangs_is_ended_and_its_shots_fail_at_last():
    hangs = EngineRef("pattern", {}, {"seconds": 3600.0})
    with ProcessesExecutor(1, patience=0.5) as executor:
        (answer,) = executor.run(hangs, asked(1, hangs))
    assert isinstance(answer, Failure)
    assert "said nothing for 0.5 seconds" in answer.text


def pixels(asked, folder, executor):
    """What the pictures of a study show, by the id of their shot."""
    with Session.open(asked, folder, trackers=[], executor=executor) as session:
        session.make(session.todo())
    with session.result as result:
        return {row.planned.shot.id: row.image.facts["pixels"] for row in result.rows()}


def test_a_study_has_the_pictures_of_a_run_in_one_process(tmp_path):
    alone = pixels(little(), tmp_path / "local", None)
    assert len(alone) == 24
    assert pixels(little(), tmp_path / "processes", ProcessesExecutor(2)) == alone


@pytest.mark.slow
def test_the_embedded_model_makes_the_same_pictures_in_processes_at_equal_rows(tmp_path):
    little = study(
        name="little",
        prompts=["an owl", "a cat"],
        replicates=3,
        engine={"name": "diffusers", "device": "cpu", "batch": 6},
        settings={"model": "emoji"},
        axes={"guidance_scale": [1, 3], "num_inference_steps": [3, 9]},
    )
    alone = pixels(little, tmp_path / "local", None)
    assert len(alone) == 24
    assert pixels(little, tmp_path / "processes", ProcessesExecutor(2)) == alone


def test_closing_in_the_middle_ends_the_workers(tmp_path):
    executor = ProcessesExecutor(2)
    answers = executor.run(SLOW, asked(100, SLOW))
    next(answers)
    pids = executor.pids
    assert pids
    executor.close()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


ODD = """import os
import sys
import time
from pathlib import Path

from teststrip.engines.pattern import PatternEngine
from teststrip.records import Failure

NOTES = Path(os.environ["NOTES"])


def note(kind, number):
    with open(NOTES / kind, "a") as file:
        file.write(f"{number}\\n")


class Closing(PatternEngine):
    hangs = 0

    def close(self):
        note("closed", os.getpid())
        time.sleep(self.hangs)


class Hanging(Closing):
    hangs = 60


class Cuda:
    working = True
    is_initialized = staticmethod(lambda: True)

    def synchronize(self):
        if not self.working:
            raise RuntimeError("CUDA error: an illegal memory access was encountered\\nCompile with ...")


class Torch:
    cuda = Cuda()


class Breaking(PatternEngine):
    def render(self, shots):
        sys.modules["torch"] = Torch
        for number, shot in enumerate(shots):
            if number == 2 and not (NOTES / "broken").exists():
                note("broken", os.getpid())
                Cuda.working = False
            if number == 1 or not Cuda.working:
                yield Failure(shot, "error", "RuntimeError: of the shot or of the card")
            else:
                yield from super().render([shot])


class Forking(PatternEngine):
    forked = False

    def render(self, shots):
        if not Forking.forked:
            Forking.forked = True
            child = os.fork()
            if not child:
                time.sleep(120)
                os._exit(0)
            note("forked", child)
        yield from super().render(shots)
"""


@pytest.fixture
def notes(tmp_path, monkeypatch):
    """What engines of a plug-in note, by kind."""
    engines = {name.lower(): f"odd_engines:{name}" for name in ("Closing", "Hanging", "Breaking", "Forking")}
    installing.distribution(tmp_path / "site", "odd_engines", {"engines": engines}, ODD)
    installing.reach(tmp_path / "site", monkeypatch)
    monkeypatch.setenv("NOTES", str(tmp_path))

    def read(kind):
        file = tmp_path / kind
        return [int(line) for line in file.read_text(encoding="utf-8").split()] if file.exists() else []

    yield read
    sys.modules.pop("odd_engines", None)


def test_workers_close_their_engines_when_the_executor_is_closed(notes):
    ref = EngineRef("closing", {}, {"seconds": 0.05})
    with ProcessesExecutor(2) as executor:
        assert len(list(executor.run(ref, asked(20, ref)))) == 20
        pids = executor.pids
    assert len(pids) == 2
    assert set(pids) < set(notes("closed"))


def test_an_actor_closes_the_engines_of_pictures_and_those_of_questions(notes):
    ref = EngineRef("closing")
    actor = Actor()
    actor.fingerprint(asked(1, ref)[0])
    assert len(list(actor.make(1, ref, asked(2, ref)))) == 2
    actor.close()
    assert notes("closed") == [os.getpid()] * 2


@pytest.mark.slow
def test_an_engine_that_hangs_in_its_close_keeps_no_run(notes):
    ref = EngineRef("hanging")
    executor = ProcessesExecutor(2)
    driver = executor._local.engine(ref)
    driver.hangs = 0
    assert len(list(executor.run(ref, asked(20, ref)))) == 20
    begin = time.monotonic()
    executor.close()
    assert time.monotonic() - begin < 1.6 * FAREWELL  # of both together


def test_a_worker_whose_gpu_is_out_of_order_fails_no_shot_that_another_one_can_make(notes):
    ref = EngineRef("breaking")
    with ProcessesExecutor(1) as executor:
        answers = list(executor.run(ref, asked(8, ref)))
        assert len(notes("broken")) == 1
        assert notes("broken") != executor.pids
    assert sorted(answer.shot.id for answer in answers) == sorted(shot.id for shot in asked(8, ref))
    # In each of the two processes the second shot fails by itself, and the GPU goes on.
    assert [type(answer) for answer in answers] == [Render, Failure, Render, Failure, *[Render] * 4]


def ended(pid):
    """Whether a process ends within some seconds, be its parent there to notice or not."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no process is forked here")
def test_a_worker_that_is_killed_is_missed_though_a_child_holds_its_pipe(notes):
    ref = EngineRef("forking", {}, {"seconds": 0.01})
    with ProcessesExecutor(1) as executor:
        answers = executor.run(ref, asked(30, ref))
        next(answers)
        os.kill(executor.pids[0], signal.SIGKILL)
        begin = time.monotonic()
        assert len(list(answers)) == 29
        assert time.monotonic() - begin < 30  # the child would hold the pipe for 120 seconds
    children = notes("forked")
    assert len(children) == 2
    assert all(map(ended, children))


STUDY = """name = "little"
prompts = ["an owl"]
replicates = 400
[engine]
name = "pattern"
seconds = 0.02
[settings]
width = 16
height = 16
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_a_run_that_is_stopped_or_killed_leaves_no_worker(tmp_path, number, code):
    (tmp_path / "study.toml").write_text(STUDY, encoding="utf-8")
    command = [sys.executable, "-m", "teststrip", "run", "study.toml", "--executor", "processes:2"]
    run = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    images = tmp_path / "runs" / "little" / "images"
    until = time.monotonic() + 60
    while sum(1 for _ in images.rglob("*.png")) < 4:
        assert run.poll() is None, run.communicate()
        assert time.monotonic() < until
        time.sleep(0.02)
    workers = psutil.Process(run.pid).children(recursive=True)
    assert len(workers) == 2
    run.send_signal(number)
    _, said = run.communicate(timeout=60)
    assert run.returncode == code
    _, left = psutil.wait_procs(workers, timeout=30)
    assert not left
    made = sum(1 for _ in images.rglob("*.png"))
    assert 4 <= made < 400
    if number == signal.SIGINT:
        assert "--executor processes:2" in said
