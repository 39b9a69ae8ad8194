"""Looks: a run that concludes is written down once; readers write nothing; a kept margin does not move."""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import studies

import teststrip
from teststrip.analysis.numbers import kept
from teststrip.errors import StoreError
from teststrip.records import KeptMargin, LevelRef, Look, Question, Study
from teststrip.records.looked import changes
from teststrip.results import looked
from teststrip.store import Store
from teststrip.verbs import export
from teststrip.verbs.run import Session, drive
from teststrip.views import page, report

PROMPTS = [
    f"a {thing}"
    for thing in (
        "rose",
        "car",
        "cat",
        "king",
        "boat",
        "tree",
        "owl",
        "city",
        "bird",
        "ship",
        "lamp",
        "tower",
        "fox",
        "bridge",
    )
]


def study(prompts: int = 3, seeds: int = 2, **question: Any) -> Study:
    return studies.little(
        name="looked",
        prompts=PROMPTS[:prompts],
        replicates=seeds,
        settings={"width": 16, "height": 16},
        question={"metrics": ["sharpness"], **question},
    )


def run(folder: Path, asked: Study, limit: int | None = None) -> None:
    drive(asked, folder, limit=limit, trackers=[], views=False).result.close()


def looks(folder: Path) -> list[Look]:
    with Store(folder) as store:
        return store.looks("looked")


READERS = {
    "report": lambda result: report.full_text(result),
    "json": report.as_json,
    "best": report.best_text,
    "page": lambda result: page.write(result, result.folder / "elsewhere"),
    "export": lambda result: export.write(result, "csv", result.folder / "elsewhere.csv"),
}


def content(folder: Path) -> str:
    with sqlite3.connect(folder / "study.sqlite") as connection:
        return hashlib.sha256("\n".join(connection.iterdump()).encode()).hexdigest()


@settings(max_examples=12)
@given(
    steps=st.lists(
        st.one_of(
            st.sampled_from(sorted(READERS)),
            st.tuples(st.integers(1, 5), st.sampled_from([0.2, 0.3])),
        ),
        min_size=1,
        max_size=7,
    )
)
def test_looks_are_the_runs_that_saw_something_new_or_asked_something_else(
    steps: list[str | tuple[int, float]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("looks") / "run"
    expected: set[tuple[int, float]] = set()
    made = 0
    for step in [(4, 0.2), *steps]:  # with fewer pictures there is nothing to conclude from
        if isinstance(step, str):
            before = content(folder)
            with teststrip.open(folder) as result:
                READERS[step](result)
            assert content(folder) == before
        else:
            limit, margin = step
            run(folder, study(margin=margin), limit)
            made = min(made + limit, 12)
            expected.add((made, margin))
    assert len(looks(folder)) == len(expected)
    assert {(look.images, look.question.margin) for look in looks(folder)} == expected


def test_a_run_that_was_stopped_is_no_look(tmp_path: Path) -> None:
    with Session.open(study(), tmp_path, trackers=[]) as session:
        session.make(session.todo())
        session.score()
        session.stopped.set()
        session.announce()
    assert looks(tmp_path) == []


def test_a_look_says_what_was_asked_and_what_was_answered(tmp_path: Path) -> None:
    run(tmp_path, study(8, margin=0.3, scope="prompts like these"))
    (look,) = looks(tmp_path)
    with teststrip.open(tmp_path) as result:
        findings, versions = result.findings, result.versions
    assert changes(look.question, Question(("sharpness",), 0.3, scope="prompts like these")) == ()
    assert (look.prompts, look.images, look.number) == (8, 32, 1)
    assert [(a.metric, a.kind, a.axis, a.scope, a.verdict) for a in look.answers] == [
        (f.metric, f.kind, f.axis, f.scope, f.verdict) for f in findings
    ]
    margin = look.margins["sharpness"]
    assert margin.value == findings[0].margin == 0.3 * margin.seed_sd
    assert (margin.asked, margin.version, margin.prompts) == (0.3, versions["sharpness"], 8)


def test_a_first_look_says_nothing_and_a_second_says_that_it_is_one(tmp_path: Path) -> None:
    run(tmp_path, study(), limit=6)
    with teststrip.open(tmp_path) as result:
        assert result.history == ()
        assert "Look 1" not in report.text(result)
    run(tmp_path, study())
    run(tmp_path, study())
    with teststrip.open(tmp_path) as result:
        (said,) = result.history
        assert said.startswith("Look 2 of this study.")
        assert "one study in five" in said
        for told in (report.text(result), report.markdown(result)):
            assert "Look 2 of this study" in told
        assert said in report.as_json(result)["sentences"]
        assert [look["images"] for look in report.as_json(result)["looks"]] == [6, 12]
        assert said in page.boards.of(result)["warnings"]


@pytest.mark.parametrize(("sizes", "seeds"), [((6, 7, 10), 3), ((5, 6, 8), 3), ((10, 12, 14), 2), ((2, 3, 4), 7)])
def test_a_kept_margin_does_not_move_when_the_study_grows(sizes: tuple[int, ...], seeds: int, tmp_path: Path) -> None:
    margins: list[float] = []
    fresh: list[float] = []
    for prompts in sizes:
        run(tmp_path / "grown", study(prompts, seeds))
        run(tmp_path / f"fresh-{prompts}", study(prompts, seeds))
        for folder, found in ((tmp_path / "grown", margins), (tmp_path / f"fresh-{prompts}", fresh)):
            with teststrip.open(folder) as result:
                found.append(next(f.margin for f in result.findings if f.kind == "axis"))
    pilot = next(i for i, prompts in enumerate(sizes) if (seeds - 1) * prompts >= kept.PILOT_DEGREES)
    assert margins == [*fresh[:pilot], *[fresh[pilot]] * (len(sizes) - pilot)]
    assert len(set(fresh)) == len(sizes)  # reckoned anew, the yardstick would have moved
    margins_kept = [look.margins["sharpness"] for look in looks(tmp_path / "grown")]
    assert [margin.look for margin in margins_kept] == [min(i, pilot) + 1 for i in range(len(sizes))]
    assert [margin.pilot for margin in margins_kept] == [i >= pilot for i in range(len(sizes))]
    with teststrip.open(tmp_path / "grown") as result:
        text = report.full_markdown(result)
        assert (f"kept from look {pilot + 1} ({sizes[pilot]} prompts)" in text) == (pilot < len(sizes) - 1)
        assert {made.margin for made in result.recommendations if made.choice} <= {margins[-1]}


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ({"margin": 0.2}, {"margin": 0.5}, "the margin was 0.2 SD; now it is 0.5 SD"),
        ({"margin": 0.2}, {"margin": {"sharpness": 5.0}}, "the margin was 0.2 SD; now it is 5 for sharpness"),
        ({}, {"metrics": ["sharpness", "clipped"]}, "the scores were sharpness; now they are sharpness and clipped"),
        ({}, {"scope": "these prompts"}, "it was about both scopes; now it is about these prompts"),
        ({}, {"reference": {"cfg": 7}}, "the reference was none; now it is guidance 7"),
        ({"reference": {"cfg": 1}}, {"reference": {"cfg": 7}}, "the reference was guidance 1; now it is guidance 7"),
    ],
)
def test_a_question_that_was_changed_after_data_is_flagged_and_not_refused(
    first: dict[str, Any], second: dict[str, Any], said: str, tmp_path: Path
) -> None:
    run(tmp_path, study(4, 3, **first))
    run(tmp_path, study(4, 3, **second))
    one, _ = looks(tmp_path)
    with teststrip.open(tmp_path) as result:
        told = f"The question was changed after 24 images (look 1, {one.at}): {said}."
        for text in (report.text(result), page.boards.of(result)["warnings"][-1]):
            assert told in text
        (change,) = report.as_json(result)["question_changes"]
    assert (change["images"], change["look"], change["part"]) == (24, 1, next(iter(second)))


def test_the_report_that_a_run_wrote_is_the_report_of_its_readers(tmp_path: Path) -> None:
    for limit in (24, None):
        drive(study(6, 3), tmp_path, limit=limit, trackers=[]).result.close()
        with teststrip.open(tmp_path) as result:
            assert report.markdown(result) == (tmp_path / "report.md").read_text(encoding="utf-8")
            assert report.full_markdown(result) == (tmp_path / "report-full.md").read_text(encoding="utf-8")


def test_a_question_that_was_changed_before_any_look_is_nobodys_business(tmp_path: Path) -> None:
    run(tmp_path, study(margin=0.2), limit=0)
    run(tmp_path, study(margin=0.3))
    with teststrip.open(tmp_path) as result:
        assert result.history == ()


def test_a_margin_of_another_number_of_sd_is_reckoned_anew(tmp_path: Path) -> None:
    run(tmp_path / "one", study(6, 3, margin=0.2))
    run(tmp_path / "one", study(8, 3, margin=0.3))
    run(tmp_path / "other", study(8, 3, margin=0.3))
    sizes = []
    for folder in (tmp_path / "one", tmp_path / "other"):
        with teststrip.open(folder) as result:
            sizes.append(result.findings[0].margin)
    assert sizes[0] == sizes[1]


questions = st.builds(
    Question,
    metrics=st.lists(st.sampled_from(["a", "b"]), unique=True).map(tuple),
    margin=st.one_of(st.sampled_from([0.2, 0.3]), st.just({"a": 1.0})),
    scope=st.sampled_from(["both", "these prompts"]),
    reference=st.sampled_from([(), (LevelRef("steps", 1, "50"),), (LevelRef("steps", 0, "20"),)]),
)


@st.composite
def histories(draw: st.DrawFn) -> list[Look]:
    found = []
    for number in range(1, draw(st.integers(1, 5)) + 1):
        asked, version = draw(questions), draw(st.sampled_from(["v1", "v2"]))
        own = KeptMargin(
            None if isinstance(asked.margin, dict) else asked.margin,
            draw(st.floats(0.1, 9)),
            0.1,
            0.1,
            1.0,
            version,
            12,
            pilot=draw(st.booleans()),
            look=number,
        )
        data = draw(st.sampled_from(["d1", "d2"]))
        found.append(Look("s", asked, data, 12, 10 * number, {"a": own}, number=number, at=f"t{number}"))
    return found


@given(histories(), questions, st.sampled_from(["v1", "v2"]), st.sampled_from(["d1", "d2", "new"]))
def test_a_kept_margin_is_the_first_fitting_pilot_on_other_data(
    history: list[Look], asked: Question, version: str, data: str
) -> None:
    held = looked.pilot(history, asked, versions={"a": version}, data=data)
    number = None if isinstance(asked.margin, dict) else asked.margin
    fitting = [
        look.margins["a"]
        for look in history
        if look.data != data
        and look.margins["a"].pilot
        and (look.margins["a"].asked, look.margins["a"].version) == (number, version)
    ]
    if number is None:
        assert held == {}
    else:
        assert list(held.values()) == fitting[:1]
    other = [
        m
        for m in (look.margins["a"] for look in history)
        if m.pilot and m.asked == number is not None and m.version != version
    ]
    said = any("reckoned anew" in text for text in looked.history(history, asked, versions={"a": version}, kept=held))
    assert said == (not held and bool(other))


@given(histories(), questions)
def test_every_change_of_the_question_is_told_once_and_nothing_else(history: list[Look], asked: Question) -> None:
    found = looked.question_changes(history, asked)
    steps = list(zip(history, [*(look.question for look in history[1:]), asked], strict=True))
    assert len(found) == sum(len(changes(look.question, after)) for look, after in steps)
    for change in found:
        assert change.images == 10 * change.look
        part = {
            "metrics": lambda q: set(q.metrics),
            "margin": lambda q: q.margin,
            "scope": lambda q: q.scope,
            "reference": lambda q: q.reference,
        }
        assert part[change.part](change.before) != part[change.part](change.after)


def test_a_row_that_is_no_look_is_said_to_be_damaged(tmp_path: Path) -> None:
    run(tmp_path, study())
    with sqlite3.connect(tmp_path / "study.sqlite") as connection:
        for broken in ("[]", "{}", "nonsense", '{"data": 1, "prompts": "x"}'):
            connection.execute("UPDATE looks SET facts = ?", (broken,))
            connection.commit()
            with Store(tmp_path) as store, pytest.raises(StoreError, match=r"looks .* cannot be read"):
                store.looks("looked")
