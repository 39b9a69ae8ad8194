"""What `test_ray.py` runs in a network of its own: the contract, lost actors, and what a cluster says that cannot help.

One local cluster serves all tests of this file.
"""

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from typing import ClassVar

import psutil
import pytest
import ray
from tests.executors.little import little
from tests.executors.wayward import TEXT
from tests.hosted.webui_service import WebuiService
from tests.installing import distribution, reach

from teststrip.errors import EngineError, UsageError
from teststrip.executors.cluster import join, nodes
from teststrip.executors.pieces import Pieces
from teststrip.executors.ray import FAREWELL, LONG, RayExecutor
from teststrip.hosted import configuration
from teststrip.records import EngineRef, Failure, Render, Shot
from teststrip.servers import NOT_ASKED
from teststrip.testing.executor_contract import SLOW, ExecutorContract, asked
from teststrip.verbs.run import Session

SHARE = {"num_cpus": 0.1}
"""What an actor asks for, so that the actors of all tests fit on two cores."""


@pytest.fixture(scope="module", autouse=True)
def cluster(tmp_path_factory):
    """A cluster of this machine that each executor of this file joins and none leaves. It has the engine `wayward`.

    It is started in a folder with a module that no actor may import.
    """
    folder, site = tmp_path_factory.mktemp("study"), tmp_path_factory.mktemp("site")
    (folder / "PIL.py").write_text("raise SystemError('a module of the working folder was run')\n", encoding="utf-8")
    distribution(site, "wayward", {"engines": {"wayward": "wayward:Wayward"}}, TEXT)
    with pytest.MonkeyPatch.context() as patch:
        reach(site, patch)
        with contextlib.chdir(folder):
            assert join("")
        yield
        ray.shutdown()


@contextlib.contextmanager
def node(resources, environment=None):
    """Another node of this cluster, lost at the end."""
    address = ray.get_runtime_context().gcs_address
    words = ["--num-cpus", "1", "--object-store-memory", str(80 * 2**20), "--resources", json.dumps(resources)]
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--address", address, *words, "--block"]
    before = cluster_nodes()
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    started = psutil.Popen(command, env={**os.environ, **(environment or {})}, **pipes)
    try:
        until = time.monotonic() + 60
        while not cluster_nodes() - before:
            assert started.poll() is None
            assert time.monotonic() < until
            time.sleep(0.1)
        yield started
    finally:
        for one in [*started.children(recursive=True), started]:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        started.wait()


def cluster_nodes():
    return set(nodes())


@pytest.fixture(scope="module")
def two():
    with RayExecutor(workers=2, **SHARE) as executor:
        yield executor
    assert ray.is_initialized()


class TestRayKeepsTheContract(ExecutorContract):
    @pytest.fixture
    def executor(self, two):
        return two


def pids():
    """The processes of the actors of this cluster."""
    return sorted(one.pid for one in actors_of(psutil.Process()))


def actors_of(started):
    """The actors that run in processes that this one started. What a process says of itself may be gone with it."""
    found = []
    for one in started.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            found += [one] if "ray::Actor" in " ".join(one.cmdline()) else []
    return found


def test_actors_that_are_killed_lose_no_shot_and_answer_none_twice(two):
    answers, killed = [], []
    for answer in two.run(SLOW, asked(120, SLOW)):
        answers.append(answer)
        if len(answers) in (10, 50):
            killed.append(pids()[0])
            os.kill(killed[-1], signal.SIGKILL)
    assert len(set(killed)) == 2
    assert [answer for answer in answers if not isinstance(answer, Render)] == []
    assert sorted(answer.shot.id for answer in answers) == sorted(shot.id for shot in asked(120, SLOW))


def test_an_actor_that_hangs_is_ended_and_its_shots_fail_at_last():
    hangs = EngineRef("pattern", {}, {"seconds": 3600.0})
    with RayExecutor(workers=1, patience=0.5, **SHARE) as executor:
        (answer,) = executor.run(hangs, asked(1, hangs))
    assert isinstance(answer, Failure)
    assert "said nothing for 0.5 seconds" in answer.text


def test_resources_that_no_node_has_are_an_error_that_says_what_there_is():
    with RayExecutor(num_gpus=1, resources={"whale": 2}, wait=0) as executor:
        with pytest.raises(EngineError, match=r"\(CPU 1, GPU 1, whale 2\). Its nodes have: CPU"):
            executor.fingerprint(asked(1)[0])
        with pytest.raises(EngineError, match="whale 2"):
            list(executor.run(SLOW, asked(3, SLOW)))


def test_an_engine_that_asks_a_server_of_the_users_own_stays_in_the_driver(tmp_path, monkeypatch):
    ref = EngineRef("webui", {"provider": "here"})
    shot = Shot(ref, {"prompt": "an owl", "seed": 1, "width": 64, "height": 64})
    with WebuiService() as service, RayExecutor(workers=1, **SHARE) as executor:
        (tmp_path / "config.toml").write_text(f'[providers.here]\nbase_url = "{service.url}"\n', encoding="utf-8")
        monkeypatch.setenv(configuration.VARIABLE, str(tmp_path / "config.toml"))
        before = pids()
        executor.open([ref])
        known = executor.fingerprint(shot)
        assert NOT_ASKED not in known.facts
        assert [answer.fingerprint for answer in executor.run(ref, [shot])] == [known]
        assert pids() == before


def test_a_run_that_waits_for_room_says_so_once_and_ends_when_it_is_stopped(two):
    @ray.remote
    class Other:
        """Holds the processors."""

        def there(self):
            return True

    (shot,) = asked(1, SLOW)
    two.fingerprint(shot)
    other = Other.options(num_cpus=ray.cluster_resources()["CPU"] - 0.5).remote()
    assert ray.get(other.there.remote())
    said, stopped = [], threading.Event()
    try:
        with RayExecutor(workers=1, num_cpus=1) as executor:
            executor.attend(stopped.is_set, said.append)
            threading.Timer(LONG + 6, stopped.set).start()
            assert list(executor.run(SLOW, asked(3, SLOW))) == []
    finally:
        ray.kill(other)
    assert len(said) == 1
    assert "waits for the Ray cluster" in said[0]


def wayward(model, number, **options):
    """Shots of a model that may answer otherwise on another node."""
    ref = EngineRef("wayward", {}, options)
    return [Shot(ref, {**shot.settings, "seed": seed, "model": model}) for seed, shot in enumerate(asked(number))]


@pytest.fixture
def other_version(tmp_path):
    """What a node's environment is where another version of Teststrip is installed there."""
    distribution(tmp_path, "teststrip", {})
    return {"PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ["PYTHONPATH"]])}


@pytest.mark.parametrize("unlike", ["model", "version"])
def test_a_late_node_that_is_unlike_the_others_is_left_out_and_said_once(unlike, other_version):
    shots = [*wayward("small", 60), *wayward("large", 60)]
    said = []
    seat = f"seat for another {unlike}"  # nodes of earlier tests count as alive for a while
    with node({seat: 1}), RayExecutor(num_cpus=0.1, resources={seat: 1}) as executor:
        executor.attend(lambda: False, said.append)
        for shot in (shots[0], shots[-1]):
            executor.fingerprint(shot)
        answers = executor.run(shots[0].engine, shots)
        got = [next(answers)]
        with node({seat: 2}, other_version if unlike == "version" else {"WAYWARD": "2"}):
            for answer in answers:
                got.append(answer)
                time.sleep(0 if said else 0.3)  # so that the node has an actor before all is made
    assert {answer.fingerprint.facts["library"] for answer in got} == {"1"}
    assert sorted(answer.shot.id for answer in got) == sorted(shot.id for shot in shots)
    (why,) = said
    assert ("library '2' and '1'" if unlike == "model" else "Teststrip 1.0, and the driver") in why


def test_a_node_that_is_unlike_the_driver_ends_the_run_where_there_is_no_other(other_version):
    with node({"lonely": 1}, other_version), RayExecutor(num_cpus=0.1, resources={"lonely": 1}) as executor:
        (shot,) = wayward("small", 1)
        with pytest.raises(EngineError, match=r"Teststrip 1\.0, and the driver"):
            list(executor.run(shot.engine, [shot]))


def test_the_cause_is_told_where_an_actor_cannot_say_what_would_answer(two):
    (shot,) = wayward("small", 1, breaks="no such card")
    with pytest.raises(EngineError, match=r"^ZeroDivisionError: no such card$"):
        two.fingerprint(shot)
    with pytest.raises(EngineError, match=r"^ZeroDivisionError: no such card$"):
        list(two.run(shot.engine, [shot]))


def test_an_actor_that_does_not_say_what_would_answer_is_not_waited_for_without_end(tmp_path):
    (shot,) = wayward("small", 1, hangs=str(tmp_path))
    said = pytest.raises(EngineError, match=r"said nothing for 0\.5 seconds")
    with RayExecutor(workers=1, patience=0.5, **SHARE) as executor, said:
        executor.fingerprint(shot)


class Noted(Pieces):
    """Notes for each loss whether it was held against the shots."""

    held: ClassVar[list[tuple[str, bool]]] = []

    def lost(self, number, why, *, blameless=False):
        if "the worker that made it ended" in why:
            self.held.append((why, not blameless))
        return super().lost(number, why, blameless=blameless)


class Noting(RayExecutor):
    """Notes losses."""

    pieces = Noted


def test_a_node_that_ray_gives_up_is_not_held_against_its_shots():
    shots = asked(100, SLOW)
    with node({"bench": 1}), node({"bench": 1}) as hangs, Noting(num_cpus=0.1, resources={"bench": 1}) as executor:
        answers = executor.run(SLOW, shots)
        got = [next(answers)]
        while not actors_of(hangs):
            time.sleep(0.3)
            got.append(next(answers))
        got += itertools.islice(answers, 8)
        for one in hangs.children(recursive=True):
            one.suspend()
        got += answers
    assert sorted(answer.shot.id for answer in got) == sorted(shot.id for shot in shots)
    assert [held for _, held in Noted.held] == [False], Noted.held


class Hasty(RayExecutor):
    """Does not wait long for bytes."""

    fetch = 2


def test_an_answer_that_does_not_arrive_keeps_no_other_waiting():
    """A node whose store hangs: its answers are made and do not arrive, while the other node's do."""
    settings = {"prompt": "an owl", "num_inference_steps": 1, "width": 256, "height": 256}  # more than Ray sends inline
    shots = [Shot(SLOW, {**settings, "seed": seed}) for seed in range(80)]
    with (
        node({"stool": 1}),
        node({"stool": 1}) as hangs,
        Hasty(num_cpus=0.1, resources={"stool": 1}) as executor,
    ):
        answers = executor.run(SLOW, shots)
        got = [next(answers)]
        while len(actors_of(hangs)) < 1:
            time.sleep(0.3)
            got.append(next(answers))
        got += itertools.islice(answers, 8)
        (raylet,) = [one for one in hangs.children(recursive=True) if one.name() == "raylet"]
        time.sleep(1)  # both nodes hold answers that were not read
        raylet.suspend()
        begin = time.monotonic()
        got += answers
        seconds = time.monotonic() - begin
    assert sorted(answer.shot.id for answer in got) == sorted(shot.id for shot in shots)
    assert all(isinstance(answer, Render) for answer in got)
    assert 2 < seconds < 20


def test_a_stop_is_not_kept_by_an_actor_that_is_asked_whether_it_agrees(tmp_path):
    (tmp_path / "hangs").touch()
    shots = wayward("small", 3, hangs=str(tmp_path / "hangs"))
    stopped = threading.Event()
    with RayExecutor(workers=1, **SHARE) as executor:
        executor.fingerprint(asked(1)[0])  # so that the actor runs
        executor.attend(stopped.is_set, lambda why: None)
        threading.Timer(2, stopped.set).start()
        begin = time.monotonic()
        assert list(executor.run(shots[0].engine, shots)) == []
        assert time.monotonic() - begin < 30


def test_a_client_address_is_refused(monkeypatch):
    with pytest.raises(UsageError, match="ray job submit"):
        RayExecutor.of("ray://head:10001").open([])
    monkeypatch.setenv("RAY_ADDRESS", "ray://head:10001")
    with pytest.raises(UsageError, match="RAY_ADDRESS=ray://head:10001: Ray Client"):
        RayExecutor.of("").open([])


def test_an_error_of_the_engine_on_a_node_is_raised_in_the_driver(two):
    (shot,) = asked(1)
    wrong = Shot(shot.engine, {**shot.settings, "width": "wide"})
    with pytest.raises(EngineError, match="ValueError"):
        list(two.run(wrong.engine, [wrong]))
    assert len(list(two.run(SLOW, asked(4, SLOW)))) == 4


def test_actors_of_a_cluster_that_is_started_here_run_at_the_priority_of_this_process(two):
    list(two.run(SLOW, asked(4, SLOW)))
    assert {one.nice() for one in actors_of(psutil.Process())} == {psutil.Process().nice()}


def test_a_study_has_the_pictures_of_a_run_in_one_process(tmp_path, two):
    found = {}
    for name, executor in (("local", None), ("ray", RayExecutor(workers=2, **SHARE))):
        with Session.open(little(), tmp_path / name, trackers=[], executor=executor) as session:
            session.make(itertools.islice(session.todo(), 12))
        with Session.open(little(), tmp_path / name, trackers=[]) as session:  # goes on with another executor
            assert len(list(session.todo())) == 12
        with session.result as result:
            found[name] = {row.planned.shot.id: row.image.facts["pixels"] for row in result.rows() if row.image}
    assert found["ray"] == found["local"]
    assert len(found["ray"]) == 12


def test_actors_close_their_engines_before_they_end(tmp_path):
    (shot,) = wayward("small", 1, closes=str(tmp_path))
    with RayExecutor(workers=1, **SHARE) as executor:
        list(executor.run(shot.engine, [shot]))
    assert [one for one in tmp_path.iterdir() if one.name != str(os.getpid())]


def test_actors_that_do_not_close_are_waited_for_a_few_seconds_together(tmp_path):
    hangs = tmp_path / "hangs"
    shots = wayward("small", 60, hangs=str(hangs), seconds=0.05)
    with RayExecutor(workers=2, **SHARE) as executor:
        list(executor.run(shots[0].engine, shots))
        hangs.touch()
        begin = time.monotonic()
    hangs.unlink()
    assert FAREWELL <= time.monotonic() - begin < 1.8 * FAREWELL


def test_closing_in_the_middle_ends_the_actors():
    executor = RayExecutor(workers=1, **SHARE)
    before = set(pids())
    answers = executor.run(SLOW, asked(100, SLOW))
    next(answers)
    own = [psutil.Process(pid) for pid in set(pids()) - before]
    assert own
    executor.close()
    _, left = psutil.wait_procs(own, timeout=60)
    assert not left


STUDY = """name = "little"
prompts = ["an owl"]
replicates = 4000
[engine]
name = "pattern"
seconds = 0.02
[settings]
width = 16
height = 16
"""


def test_ctrl_c_ends_a_run_of_the_command_line_and_its_own_cluster(tmp_path):
    (tmp_path / "study.toml").write_text(STUDY, encoding="utf-8")
    command = [sys.executable, "-m", "teststrip", "run", "study.toml", "--executor", "ray"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    run = subprocess.Popen(command, cwd=tmp_path, start_new_session=True, **pipes)
    images = tmp_path / "runs" / "little" / "images"
    until = time.monotonic() + 240
    while sum(1 for _ in images.rglob("*.png")) < 4:
        assert run.poll() is None, run.communicate()
        assert time.monotonic() < until
        time.sleep(0.1)
    started = psutil.Process(run.pid).children(recursive=True)
    assert started
    os.killpg(run.pid, signal.SIGINT)  # as a terminal does, to all that was started
    _, said = run.communicate(timeout=120)
    assert run.returncode == 130, said
    assert "--executor ray" in said
    _, left = psutil.wait_procs(started, timeout=60)
    assert not left
