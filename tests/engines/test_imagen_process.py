"""What becomes of images when the process of the engine `imagen` dies, hangs, writes garbage, or cannot start."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.studies import little
from tests.tiny_imagen import looks_like_one, program

from teststrip.engines.imagen import INSTALL, VARIABLE, ImagenEngine
from teststrip.errors import EngineError, MissingExtra, StudyError
from teststrip.imagen import child
from teststrip.imagen.process import Process
from teststrip.records import EngineRef, Failure, Render, Shot

STAND_IN = Path(__file__).parent / "imagen_stand_in.py"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return looks_like_one(tmp_path / "model")


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ImagenEngine]:
    """The engine with a process that misbehaves as prompts ask it to."""
    monkeypatch.setenv(VARIABLE, program(tmp_path / "python", sys.executable, str(STAND_IN)))
    engine = ImagenEngine(patience=2.0)
    yield engine
    engine.close()


def shot(model: Path, prompt: str, seed: int = 0) -> Shot:
    return Shot(EngineRef("imagen"), {"model": str(model), "prompt": prompt, "seed": seed, "stop_at_unet_number": 1})


@pytest.mark.parametrize(
    ("prompt", "reason", "words"),
    [
        ("die", "error", "SIGKILL; perhaps memory ran out): the last words of the process"),
        ("exit", "error", "exit code 3"),
        ("hang", "timeout", "no sign of life for 2 s"),
        ("garbage", "error", "wrote bytes that are no frame"),
        ("cut", "error", "wrote a frame that is cut off"),
        ("small", "invalid", "no picture of 16 × 16 pixels"),
        ("nan", "nan", "not finite"),
        ("refuse", "oom", "x y"),
    ],
)
def test_a_process_that_fails_costs_its_own_image_and_no_other(
    engine: ImagenEngine, model: Path, prompt: str, reason: str, words: str
) -> None:
    alone = list(engine.render([shot(model, "an owl", 1), shot(model, "an owl", 2)]))
    before, failed, after = engine.render([shot(model, "an owl", 1), shot(model, prompt), shot(model, "an owl", 2)])
    assert isinstance(failed, Failure)
    assert failed.reason == reason
    assert words in failed.text
    assert "\n" not in failed.text
    assert [one.data for one in (before, after) if isinstance(one, Render)] == [
        one.data for one in alone if isinstance(one, Render)
    ]
    assert isinstance(before, Render)
    assert isinstance(after, Render)


def test_three_deaths_in_a_row_are_enough(engine: ImagenEngine, model: Path) -> None:
    good, *failed = engine.render([shot(model, "an owl"), *(shot(model, "die", seed) for seed in range(5))])
    assert isinstance(good, Render)
    assert all(isinstance(one, Failure) for one in failed)
    assert ["so no more were tried" in str(one) for one in failed] == [False, False, False, True, True]
    mixed = [shot(model, "die" if number % 3 else "an owl", number) for number in range(9)]
    assert [isinstance(one, Render) for one in engine.render(mixed)] == [number % 3 == 0 for number in range(9)]


def test_a_process_that_is_killed_between_images_costs_none(engine: ImagenEngine, model: Path) -> None:
    answers = engine.render([shot(model, "an owl", 1), shot(model, "an owl", 2)])
    assert isinstance(next(answers), Render)
    pid = engine._process.pid
    assert pid
    os.kill(pid, signal.SIGKILL)
    time.sleep(0.2)
    assert isinstance(next(answers), Render)
    assert engine._process.pid != pid


def test_no_late_answer_is_taken_for_that_of_the_next_image(engine: ImagenEngine, model: Path) -> None:
    (right,) = engine.render([shot(model, "an owl", 2)])
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        list(engine.render([shot(model, "late", 1)]))
    assert engine._process.pid is None
    (again,) = engine.render([shot(model, "an owl", 2)])
    assert isinstance(right, Render)
    assert isinstance(again, Render)
    assert again.data == right.data


def test_closing_ends_the_process_and_nothing_of_it_stays(engine: ImagenEngine, model: Path) -> None:
    list(engine.render([shot(model, "an owl")]))
    pid = engine._process.pid
    assert pid
    engine.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_the_process_ends_with_a_run_that_is_killed() -> None:
    code = (
        "import sys, time; from teststrip.imagen.process import Process\n"
        "process = Process(sys.executable, 60); process.ask({'do': 'about', 'device': 'cpu'})\n"
        "print(process.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout
        pid = int(run.stdout.readline())
        os.kill(pid, 0)
        run.kill()
    deadline = time.monotonic() + 10
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(pid)


def alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_an_interpreter_without_the_package_is_an_error_that_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: Path
) -> None:
    bare = program(tmp_path / "bare", sys.executable, "-I", "-S")
    monkeypatch.setenv(VARIABLE, bare)
    engine = ImagenEngine()
    with pytest.raises(MissingExtra) as caught:
        engine.fingerprint(shot(model, "an owl"))
    with pytest.raises(MissingExtra):
        list(engine.render([shot(model, "an owl")]))
    engine.close()
    said = str(caught.value)
    assert INSTALL in said
    assert "--no-deps imagen-pytorch==2.1.0" in said
    assert "torchvision" in said
    assert bare in said


@pytest.mark.parametrize(("words", "said"), [(["echo", "hello"], "no frame|exit code 0"), (["false"], "exit code 1")])
def test_a_program_that_is_no_interpreter_is_an_error_of_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: Path, words: list[str], said: str
) -> None:
    monkeypatch.setenv(VARIABLE, program(tmp_path / "other", *words))
    engine = ImagenEngine(patience=5.0)
    with pytest.raises(EngineError, match=said):
        engine.fingerprint(shot(model, "an owl"))
    engine.close()


def test_a_program_that_is_not_there_is_an_error_of_the_engine(monkeypatch: pytest.MonkeyPatch, model: Path) -> None:
    monkeypatch.setenv(VARIABLE, "/no/such/python")
    engine = ImagenEngine()
    with pytest.raises(EngineError, match=f"{VARIABLE}: '/no/such/python' cannot be used: .*No such file"):
        engine.fingerprint(shot(model, "an owl"))


def test_no_study_can_name_a_program() -> None:
    with pytest.raises(StudyError, match="python"):
        little(engine={"name": "imagen", "python": "./harm.sh"})


def test_a_request_to_a_program_that_does_not_read_does_not_block(tmp_path: Path) -> None:
    process = Process(program(tmp_path / "deaf", "sleep", "60", ";"), patience=1.0)
    since = time.monotonic()
    with pytest.raises(Exception, match="process of imagen-pytorch"):
        process.ask({"do": "picture", "asked": "x" * 2**22})
    assert time.monotonic() - since < 20


def test_a_picture_crosses_in_one_piece(tmp_path: Path) -> None:
    body = os.urandom(3 * 64 * 64 * 4)
    with (tmp_path / "frames").open("w+b") as stream:
        child.write_frame(stream, {"is": "picture", "prompt": "\ud83d é"}, body)
        stream.seek(0)
        assert child.read_frame(stream) == ({"is": "picture", "prompt": "\ud83d é"}, body)
        with pytest.raises(EOFError):
            child.read_frame(stream)
