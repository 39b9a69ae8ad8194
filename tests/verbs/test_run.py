"""A study from file to pictures, on the engine that needs no weights."""

from __future__ import annotations

import os
import shlex
import signal
import sqlite3
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tests import studies
from tests.command import COMMAND, command, environment

import teststrip
from teststrip import pictures
from teststrip.engines.pattern import PatternEngine
from teststrip.errors import FolderBusy, StoreError, UsageError
from teststrip.executors.local import LocalExecutor, open_engine
from teststrip.records import Concluded, Event, Failed, Planned, Saved, Started
from teststrip.store import Store
from teststrip.verbs.run import drive

PROMPTS = ["a rose", "a flying car", "a detective", "an astronaut", "an owl and a pussycat"]


def seed_study(**changes: object) -> object:
    """The shape of the study this project began with, in patterns."""
    keys: dict[str, object] = {
        "name": "seed",
        "engine": {"name": "pattern"},
        "prompts": PROMPTS,
        "replicates": 6,
        "settings": {"width": 16, "height": 16},
        "axes": {"guidance_scale": [6, 7, 8, 9], "num_inference_steps": [50, 100, 150, 200]},
        "question": {"metrics": ["sharpness"]},
    }
    return teststrip.Study(**{**keys, **changes})


def small_study(**changes: object) -> object:
    return seed_study(
        **{"name": "small", "prompts": PROMPTS[:2], "replicates": 1, "axes": {"guidance_scale": [1, 3]}, **changes}
    )


def files(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "images").rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("seed") / "run"
    outcome = drive(seed_study(), folder, trackers=[], views=False)
    outcome.result.close()
    assert (outcome.made, outcome.failed, outcome.left) == (480, 0, 0)
    return folder


def test_every_planned_image_lies_on_disk_once(finished: Path) -> None:
    with teststrip.open(finished) as result:
        rows = list(result.rows())
    assert len(rows) == 480
    assert all(row.image is not None for row in rows)
    assert len(files(finished)) == 480


def test_a_large_picture_s_thumbnail_comes_from_the_engine_s_array_not_from_its_file(tmp_path: Path) -> None:
    study = small_study(settings={"width": 320, "height": 160})
    drive(study, tmp_path / "without", trackers=[], views=False).result.close()
    assert not (tmp_path / "without" / "page").exists()
    result = drive(study, tmp_path / "run", trackers=[]).result
    with result:
        images = {row.image.digest: row.image for row in result.rows() if row.image}
        thumbs = {path.stem: path for path in (tmp_path / "run" / "thumbs").rglob("*.webp")}
        assert thumbs.keys() == images.keys()
        for digest, image in images.items():
            # The thumbnail that the store makes of the file where it has none: the same picture, byte for byte.
            assert thumbs[digest].read_bytes() == pictures.thumbnail((result.folder / image.path).read_bytes(), 256)
            assert thumbs[digest].stat().st_mtime_ns < (tmp_path / "run" / "page" / "data.js").stat().st_mtime_ns
        first = result.plan.first(result.plan.cells[0]).shot
        (render,) = PatternEngine().render([first])
        (digest,) = [digest for digest, image in images.items() if image.shot_id == first.id]
        assert render.small == thumbs[digest].read_bytes()


def test_running_a_finished_study_again_makes_nothing(finished: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in files(finished)}
    outcome = drive(seed_study(), finished, trackers=[], views=False)
    outcome.result.close()
    assert outcome.made == 0
    assert {path: path.stat().st_mtime_ns for path in files(finished)} == before


def test_a_new_level_makes_exactly_its_own_images_and_a_changed_prompt_its_own(finished: Path) -> None:
    before = {path.name for path in files(finished)}
    wider = {"guidance_scale": [5, 6, 7, 8, 9], "num_inference_steps": [50, 100, 150, 200]}
    outcome = drive(seed_study(axes=wider), finished, trackers=[], views=False)
    outcome.result.close()
    assert outcome.made == 120

    outcome = drive(seed_study(prompts=["a tulip", *PROMPTS[1:]]), finished, trackers=[], views=False)
    assert outcome.made == 96
    assert outcome.result.retired == 96 + 120  # the old prompt's images and guidance 5 are kept, not rebound
    outcome.result.close()
    assert before <= {path.name for path in files(finished)}


@pytest.mark.parametrize("before", [PROMPTS[:1], PROMPTS[1:3], PROMPTS[:4]], ids=len)
@pytest.mark.parametrize("after", [PROMPTS[:1], PROMPTS[3:], PROMPTS[:2]], ids=len)
def test_what_is_left_counts_the_planned_shots_alone_whatever_the_folder_holds(
    tmp_path: Path, before: list[str], after: list[str]
) -> None:
    drive(small_study(prompts=before), tmp_path / "run", trackers=[], views=False).result.close()
    kept = len(set(before) & set(after))
    outcome = drive(small_study(prompts=after), tmp_path / "run", trackers=[], views=False, limit=1)
    assert outcome.made + outcome.left == 2 * (len(after) - kept)
    assert outcome.result.retired == 2 * (len(before) - kept)
    outcome.result.close()


def test_pictures_of_one_prompt_and_replicate_share_their_seed_across_cells(finished: Path) -> None:
    with teststrip.open(finished) as result:
        seeds: dict[tuple[str, int], set[int]] = {}
        for row in result.rows():
            place = row.planned
            seeds.setdefault((place.prompt.id, place.replicate), set()).add(place.shot.seed)
    assert all(len(found) == 1 for found in seeds.values())
    assert len({next(iter(found)) for found in seeds.values()}) == 30


def test_a_failure_is_a_row_with_a_reason_and_the_rest_goes_on(tmp_path: Path) -> None:
    study = small_study(engine={"name": "pattern", "fail": "refused: guidance_scale=3"})
    outcome = drive(study, tmp_path / "run", trackers=[])
    with outcome.result as result:
        reasons = {row.planned.cell["guidance_scale"]: row.failure.reason for row in result.rows() if row.failure}
        assert reasons == {"3": "refused"}
        assert (outcome.made, outcome.failed) == (2, 2)
        assert result.columns()["missing"].count("refused") == 2


def test_a_refusal_is_final_until_asked_again_and_an_error_is_tried_again(tmp_path: Path) -> None:
    study = small_study(engine={"name": "pattern", "fail": "refused: guidance_scale=3; error: guidance_scale=1"})
    first = drive(study, tmp_path / "run", trackers=[], views=False)
    first.result.close()
    assert (first.failed, first.final) == (4, 0)
    second = drive(study, tmp_path / "run", trackers=[], views=False)
    second.result.close()
    assert (second.failed, second.final, second.left) == (2, 2, 2)
    third = drive(study, tmp_path / "run", trackers=[], views=False, retry=True)
    third.result.close()
    assert (third.failed, third.final) == (4, 0)


class Listener:
    """A real tracker that keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[Event] = []
        self.closed = 0

    def on_event(self, event: Event) -> None:
        self.heard.append(event)

    def close(self) -> None:
        self.closed += 1


class Breaker(Listener):
    def on_event(self, event: Event) -> None:
        super().on_event(event)
        raise OSError("the network is gone")


def test_trackers_hear_every_picture_in_order_and_are_closed_once(tmp_path: Path) -> None:
    listener = Listener()
    drive(small_study(), tmp_path / "run", trackers=[listener]).result.close()
    kinds = [type(event) for event in listener.heard]
    assert kinds[0] is Started
    assert kinds[-1] is Concluded
    assert kinds.count(Saved) == 4
    assert [event.left for event in listener.heard if isinstance(event, Saved)] == [3, 2, 1, 0]
    assert listener.closed == 1


def test_a_tracker_that_fails_is_named_once_and_stops_nothing(tmp_path: Path) -> None:
    breaker, listener = Breaker(), Listener()
    with pytest.warns(RuntimeWarning, match="Breaker failed and is left out"):
        outcome = drive(small_study(), tmp_path / "run", trackers=[breaker, listener])
    outcome.result.close()
    assert outcome.made == 4
    assert len(breaker.heard) == 1
    assert sum(isinstance(event, Saved) for event in listener.heard) == 4


def test_limit_makes_that_many_and_the_next_run_the_rest(tmp_path: Path) -> None:
    first = drive(small_study(), tmp_path / "run", limit=3, trackers=[])
    assert (first.made, first.left) == (3, 1)
    first.result.close()
    second = drive(small_study(), tmp_path / "run", trackers=[])
    assert (second.made, second.left) == (1, 0)
    second.result.close()


def test_two_studies_in_one_folder_share_what_both_ask(tmp_path: Path) -> None:
    drive(small_study(), tmp_path / "run", trackers=[]).result.close()
    other = drive(small_study(name="other", axes={"guidance_scale": [3, 5]}), tmp_path / "run", trackers=[])
    assert other.made == 2
    other.result.close()


def test_images_of_another_fingerprint_are_not_mixed_in_silently(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    drive(small_study(), folder, trackers=[]).result.close()
    with sqlite3.connect(folder / "study.sqlite") as ledger:  # as if another version had made them
        made = "id IN (SELECT fingerprint_id FROM images)"
        (facts,) = ledger.execute(f"SELECT facts FROM fingerprints WHERE {made}").fetchone()
        stale = facts.replace('"pattern"', '"pattern of old"') if '"pattern"' in facts else '{"version":"of old"}'
        ledger.execute("PRAGMA foreign_keys=OFF")
        ledger.execute(f"UPDATE fingerprints SET id = 'f' || substr(id, 2), facts = ? WHERE {made}", (stale,))
        ledger.execute("UPDATE images SET fingerprint_id = 'f' || substr(fingerprint_id, 2)")
    ledger.close()
    with pytest.raises(StoreError, match=r"4 images of this study were answered by something else.*--allow-mixed"):
        drive(small_study(), folder, trackers=[])
    kept = drive(small_study(), folder, trackers=[], allow_mixed=True)
    assert kept.made == 0
    kept.result.close()


def test_a_folder_in_use_is_refused_at_once(tmp_path: Path) -> None:
    with Store(tmp_path / "run", write=True), pytest.raises(FolderBusy):
        drive(small_study(), tmp_path / "run", trackers=[])


def test_the_frame_has_one_typed_row_an_image(finished: Path) -> None:
    with teststrip.open(finished) as result:
        frame = result.frame()
        made = sum(row.image is not None for row in result.rows())
    assert len(frame) == made
    assert frame["guidance_scale"].dtype.kind == "f"
    assert set(frame["num_inference_steps"]) == {50, 100, 150, 200}
    assert {"sharpness", "seconds", "seed", "digest", "path"} <= set(frame.columns)


def test_the_grid_is_one_labelled_picture(tmp_path: Path) -> None:
    with drive(small_study(), tmp_path / "run", trackers=[]).result as result:
        picture = result.grid("guidance_scale", "prompt", side=64)
        assert picture.width > 2 * 64
        assert picture.height > 2 * 64
        with pytest.raises(UsageError, match="Did you mean 'guidance_scale'"):
            result.grid("guidance")


def slow_study(folder: Path, *, seconds: float = 1) -> Path:
    """A study file whose 40 pictures take so long each."""
    return studies.write(
        folder,
        "study.toml",
        name="slow",
        prompts=["a rose", "an owl"],
        replicates=10,
        engine={"seconds": seconds},
        settings={"width": 16, "height": 16},
        axes={"guidance_scale": [1, 3]},
    )


def wait_for_images(folder: Path, count: int, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if (folder / "images").is_dir() and len(files(folder)) >= count:
            return
        time.sleep(0.02)
    raise AssertionError(f"{folder} never held {count} images")


@pytest.mark.process
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_cleanly_says_how_to_go_on_and_the_same_command_does(tmp_path: Path, number: int) -> None:
    slow_study(tmp_path)
    asked = ["run", "study.toml", "--set", "prompts=['a rose', 'a fox']", "--retry"]
    run = subprocess.Popen([*COMMAND, *asked], cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True)
    wait_for_images(tmp_path / "runs/slow", 3)
    os.kill(run.pid, number)
    _, said = run.communicate(timeout=60)
    assert run.returncode == 130, said
    assert "left to make. To go on: " in said
    assert shlex.split(said.split("To go on: ")[1].splitlines()[0]) == ["teststrip", *asked]
    assert not list((tmp_path / "runs/slow").rglob("*.tmp"))
    before = len(files(tmp_path / "runs/slow"))
    slow_study(tmp_path, seconds=0)  # the same shots
    done = command(*asked, cwd=tmp_path)
    assert f"{40 - before} images made" in done.stderr
    assert len(files(tmp_path / "runs/slow")) == 40


@pytest.mark.process
def test_a_second_run_on_a_folder_exits_4_and_says_who_holds_it(tmp_path: Path) -> None:
    slow_study(tmp_path)
    first = subprocess.Popen(
        [*COMMAND, "run", "study.toml"], cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True
    )
    wait_for_images(tmp_path / "runs/slow", 1)
    second = command("run", "study.toml", cwd=tmp_path, code=4)
    assert str(first.pid) in second.stderr
    first.terminate()
    first.communicate(timeout=120)
    assert first.returncode == 130  # it was still at work


def test_trackers_are_notified_of_planned_places(tmp_path: Path) -> None:
    study = small_study(engine={"name": "pattern", "fail": "guidance_scale=3"})
    listener = Listener()
    drive(study, tmp_path / "run", trackers=[listener]).result.close()
    failed = [event for event in listener.heard if isinstance(event, Failed)]
    assert all(isinstance(event.planned, Planned) and event.planned.cell["guidance_scale"] == "3" for event in failed)
    assert len(failed) == 2


@pytest.mark.process
def test_an_hour_s_price_makes_budgets_in_money_answerable(tmp_path: Path) -> None:
    asked = small_study(question={"metrics": ["sharpness"], "price_an_hour": 7.2})
    with teststrip.run(asked, tmp_path / "s", trackers=[]) as result:
        columns = result.columns()
    assert columns["money"] == pytest.approx([seconds * 0.002 for seconds in columns["seconds"]])
    said = command("best", "s", "--budget", "0.02 USD", cwd=tmp_path).stdout
    assert "column" not in said


class Damaging:
    """An engine that gives one picture cut short."""

    def __init__(self, engine: object) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> object:
        return getattr(self._engine, name)

    def render(self, shots: object) -> object:
        for number, answer in enumerate(self._engine.render(shots)):
            yield replace(answer, data=answer.data[:-20]) if number == 1 else answer


def test_a_damaged_picture_fails_alone_with_a_reason(tmp_path: Path) -> None:
    executor = LocalExecutor(lambda ref: Damaging(open_engine(ref)))
    outcome = drive(small_study(), tmp_path / "s", trackers=[], views=False, executor=executor)
    assert (outcome.made, outcome.failed) == (3, 1)
    with outcome.result as result:
        assert [row.failure.reason for row in result.rows() if row.failure] == ["invalid"]
