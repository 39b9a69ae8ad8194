"""A session: the stations of a run, called one by one and again while engines stay open."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

import teststrip
from teststrip.errors import FolderBusy, StoreError, UsageError
from teststrip.executors.local import LocalExecutor, open_engine
from teststrip.protocols import Engine
from teststrip.records import Concluded, EngineRef, Event, Failure, Fingerprint, Render, Saved, Shot, Started
from teststrip.verbs.run import Session, drive

KEYS: dict[str, Any] = {
    "name": "session",
    "engine": {"name": "pattern"},
    "prompts": ["an owl", "a rose"],
    "replicates": 2,
    "settings": {"width": 16, "height": 16},
    "axes": {"guidance_scale": [1, 7], "num_inference_steps": [2, 8]},
    "question": {"metrics": ["sharpness"]},
}


class Listener:
    def __init__(self) -> None:
        self.events: list[Event] = []
        self.closed = 0

    def on_event(self, event: Event) -> None:
        self.events.append(event)

    def close(self) -> None:
        self.closed += 1

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


class Counting(LocalExecutor):
    """Notes which engines are opened and when they are closed."""

    def __init__(self) -> None:
        super().__init__(self._open)
        self.opened: list[EngineRef] = []
        self.closed = 0

    def _open(self, ref: EngineRef) -> Engine:
        self.opened.append(ref)
        return open_engine(ref)

    def close(self) -> None:
        self.closed += 1
        super().close()


def test_stations_are_called_again_and_again_while_the_engine_stays_open(tmp_path: Path) -> None:
    executor, listener = Counting(), Listener()
    with Session.open(teststrip.Study(**KEYS), tmp_path / "s", trackers=[listener], executor=executor) as session:
        session.make(islice(session.todo(), 6))
        session.score()
        first = session.conclude()
        assert sum("sharpness" in row.scores for row in session.result.rows()) == 6
        session.make(islice(session.todo(), 6))
        session.score()
        second = session.conclude()
        assert sum("sharpness" in row.scores for row in session.result.rows()) == 12
        assert first != second
        assert (len(executor.opened), executor.closed) == (1, 0)
        session.make(session.todo())
        assert list(session.todo()) == []
        session.score()
        session.write_views()
        session.announce()
        assert session.outcome.made == 16
    assert executor.closed == 1
    assert listener.closed == 1
    assert len(listener.of(Started)) == len(listener.of(Concluded)) == 1
    assert [event.left for event in listener.of(Saved)] == list(range(15, -1, -1))
    assert (tmp_path / "s" / "report.md").exists()
    with drive(teststrip.Study(**KEYS), tmp_path / "s", trackers=[], views=False).result as again:
        assert again.made == 16


def test_shots_are_made_in_the_order_in_which_they_are_asked_for(tmp_path: Path) -> None:
    with Session.open(teststrip.Study(**KEYS), tmp_path / "s", trackers=[]) as session:
        chosen = [planned for planned in session.todo() if planned.cell["guidance_scale"] == "7"][::-1]
        session.make(chosen)
        made = session.result.store.images()
        assert list(made) == [planned.shot.id for planned in chosen]


def test_a_session_holds_the_folder_and_gives_it_free(tmp_path: Path) -> None:
    with Session.open(teststrip.Study(**KEYS), tmp_path / "s", trackers=[]), pytest.raises(FolderBusy):
        Session.open(teststrip.Study(**KEYS), tmp_path / "s", trackers=[])
    Session.open(teststrip.Study(**KEYS), tmp_path / "s", trackers=[]).close()


def test_a_session_that_cannot_open_leaves_nothing_held(tmp_path: Path) -> None:
    def broken(ref: EngineRef) -> Engine:
        raise UsageError("no such engine")

    listener = Listener()
    with pytest.raises(UsageError, match="no such engine"):
        Session.open(teststrip.Study(**KEYS), tmp_path / "s", trackers=[listener], executor=LocalExecutor(broken))
    assert listener.closed == 1
    Session.open(teststrip.Study(**KEYS), tmp_path / "s", trackers=[]).close()


def test_what_goes_wrong_inside_a_session_is_what_the_caller_sees(tmp_path: Path) -> None:
    executor = Counting()

    def broken() -> None:
        with Session.open(teststrip.Study(**KEYS), tmp_path / "s", trackers=[], executor=executor) as session:
            session.make(islice(session.todo(), 1))
            (tmp_path / "s" / "study.sqlite").rename(tmp_path / "gone.sqlite")  # no reader could be opened any more
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken()
    assert executor.closed == 1
    (tmp_path / "gone.sqlite").rename(tmp_path / "s" / "study.sqlite")
    Session.open(teststrip.Study(**KEYS), tmp_path / "s", trackers=[]).close()


def test_what_was_concluded_is_not_computed_again_after_the_run(tmp_path: Path) -> None:
    listener = Listener()
    with Session.open(teststrip.Study(**KEYS), tmp_path / "s", trackers=[listener]) as session:
        session.make(session.todo())
        session.score()
        session.write_views()
        recommended = session.result.recommendations
        session.announce()
    with session.outcome.result as result:
        (concluded,) = listener.of(Concluded)
        assert result.findings is concluded.findings
        assert result.recommendations is recommended
        assert result.store.images()  # and it reads the folder, though the session is closed


def test_a_stopped_session_begins_nothing_more_and_concludes_nothing(tmp_path: Path) -> None:
    listener = Listener()
    with Session.open(teststrip.Study(**KEYS), tmp_path / "s", trackers=[listener]) as session:
        session.make(islice(session.todo(), 3))
        session.stopped.set()
        session.make(session.todo())
        session.score()
        assert session.conclude() == ()
        session.announce()
    assert session.outcome.made == 3
    assert session.outcome.interrupted
    assert [event.interrupted for event in listener.of(Concluded)] == [True]
    session.outcome.result.close()


class OtherRecipe:
    """The pattern engine of a later version, which asks its model in another way where guidance is strong."""

    def __init__(self, engine: Engine, **facts: object) -> None:
        self._engine = engine
        self._facts = facts

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def fingerprint(self, shot: Shot) -> Fingerprint:
        strong = shot.settings["guidance_scale"] == 7
        return Fingerprint(self._engine.fingerprint(shot).facts | ({"recipe": 2} if strong else {}) | self._facts)

    def render(self, shots: Iterable[Shot]) -> Iterator[Render | Failure]:
        for answer in self._engine.render(shots):
            yield replace(answer, fingerprint=self.fingerprint(answer.shot))


def test_pictures_of_an_earlier_recipe_are_made_again_and_the_run_says_why(tmp_path: Path) -> None:
    drive(teststrip.Study(**KEYS), tmp_path / "s", trackers=[], views=False).result.close()
    listener = Listener()
    executor = LocalExecutor(lambda ref: OtherRecipe(open_engine(ref)))
    outcome = drive(teststrip.Study(**KEYS), tmp_path / "s", trackers=[listener], views=False, executor=executor)
    (started,) = listener.of(Started)
    assert started.again.startswith("8 images of this study are made again, because ")
    assert (started.done, outcome.made, outcome.left) == (8, 8, 0)
    facts = {row.planned.shot.settings["guidance_scale"]: row.image.fingerprint_id for row in outcome.result.rows()}
    assert outcome.result.fingerprints[facts[7]].facts["recipe"] == 2
    assert "recipe" not in outcome.result.fingerprints[facts[1]].facts
    outcome.result.close()
    once_more = drive(teststrip.Study(**KEYS), tmp_path / "s", trackers=[listener], views=False, executor=executor)
    assert (once_more.made, listener.of(Started)[-1].again) == (0, "")
    once_more.result.close()


def test_pictures_of_an_earlier_recipe_are_kept_by_allow_mixed(tmp_path: Path) -> None:
    drive(teststrip.Study(**KEYS), tmp_path / "s", trackers=[], views=False).result.close()
    executor = LocalExecutor(lambda ref: OtherRecipe(open_engine(ref)))
    kept = drive(teststrip.Study(**KEYS), tmp_path / "s", trackers=[], allow_mixed=True, executor=executor)
    assert kept.made == 0
    kept.result.close()


def test_other_weights_of_another_recipe_are_told_and_never_mixed_in_silence(tmp_path: Path) -> None:
    drive(teststrip.Study(**KEYS), tmp_path / "s", trackers=[], views=False, limit=5).result.close()
    later = LocalExecutor(lambda ref: OtherRecipe(open_engine(ref), weights="others"))
    with pytest.raises(StoreError, match=r"answered by something else: weights was .*, is 'others'.*--allow-mixed"):
        Session.open(teststrip.Study(**KEYS), tmp_path / "s", trackers=[], executor=later)


def test_no_study_is_made_in_the_copy_of_a_folder_that_ray_removes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "runtime_resources" / "working_dir_files" / "_ray_pkg_0"
    copy.mkdir(parents=True)
    monkeypatch.chdir(copy)
    for out in (None, "run", copy / "run"):
        with pytest.raises(UsageError, match=r"--out: .* would lie in the copy"):
            Session.open(teststrip.Study(**KEYS), out)
    assert not list(copy.iterdir())
    with Session.open(teststrip.Study(**KEYS), tmp_path / "lasting", trackers=[]):
        pass
