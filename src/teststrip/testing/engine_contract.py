"""What every Engine keeps: one suite, run on each implementation.

To use it: subclass, and give the fixtures `engine` (a new one), `ref` (the EngineRef that names it) and `knobs`
(settings for a small, quick picture, without prompt and seed).

An engine that counts no denoiser calls, because it asks a model elsewhere, returns None from `calls`; one whose service
does not promise equal pictures for equal seeds says so by `seeds`, and no test asks for them.
"""

from __future__ import annotations

import inspect
import io
from collections.abc import Iterator, Mapping
from typing import get_args

import numpy as np
import pytest
from PIL import Image as Picture

from teststrip import plugins
from teststrip.errors import StudyError
from teststrip.protocols import Engine
from teststrip.records import (
    EngineRef,
    Failure,
    Fingerprint,
    Reason,
    Render,
    Seeds,
    Setting,
    Shot,
    Value,
    canonical_json,
)

KINDS = {"float": float, "int": int, "str": str, "bool": bool}
STRANGE_PROMPTS = {
    "empty": "",
    "blank": " \t\n",
    "NUL": "an owl\0and a cat",
    "lone surrogate": "an owl \ud83d",
    "right to left": "\u202eowl\u202c \u05d9\u05e0\u05e9\u05d5\u05e3",
    "emoji": "🦉 in a 🚣",
    "300 words": "owl " * 300,
    "one long word": "o" * 5000,
}


def pixels_of(render: Render) -> np.ndarray:
    """uint8 [H, W, 3]."""
    return np.asarray(Picture.open(io.BytesIO(render.data)).convert("RGB"))


class EngineContract:
    """Tests that hold for any engine."""

    @pytest.fixture
    def shots(self, ref: EngineRef, knobs: Mapping[str, Value]) -> list[Shot]:
        return [
            Shot(ref, {**knobs, "prompt": prompt, "seed": seed})
            for prompt in ("an owl", "a blood-red rose")
            for seed in (1, 2**32 - 1)
        ]

    def test_it_fits_the_seam(self, engine: Engine) -> None:
        assert isinstance(engine, Engine)
        assert engine.seeds in get_args(Seeds)

    def test_every_option_is_an_argument_of_the_class_and_the_other_way_round(self, engine: Engine) -> None:
        arguments = inspect.signature(type(engine)).parameters
        assert set(arguments) == set(engine.options)
        for name, setting in engine.options.items():
            assert arguments[name].kind is inspect.Parameter.KEYWORD_ONLY
            assert arguments[name].default == setting.default, name
        assert engine.operation <= set(engine.options)

    def test_options_and_settings_describe_themselves(self, engine: Engine) -> None:
        for table, may_be_untold in ((engine.options, False), (engine.settings, True)):
            for name, setting in table.items():
                assert isinstance(setting, Setting)
                assert setting.name == name
                untold = may_be_untold and not setting.doc  # a library may say nothing of an argument
                assert untold or setting.doc.endswith("."), f"{name} has no sentence"
                if setting.default is not None:
                    assert type(setting.default) is KINDS[setting.kind], name
                    if not isinstance(setting.default, str):
                        assert setting.low is None or setting.default >= setting.low
                        assert setting.high is None or setting.default <= setting.high
                    assert not setting.choices or setting.default in setting.choices

    def test_prompt_and_seed_are_settings(self, engine: Engine) -> None:
        assert engine.settings["prompt"].kind == "str"
        assert engine.settings["seed"].kind == "int"
        assert engine.settings["seed"].high == 2**32 - 1

    def test_good_settings_pass_the_check_and_cost_something(self, engine: Engine, shots: list[Shot]) -> None:
        for shot in shots:
            engine.check(shot.settings)
            calls = engine.calls(shot.settings)
            assert calls is None or calls >= 1

    def test_a_default_need_not_be_said(self, engine: Engine, shots: list[Shot]) -> None:
        defaults = {name: s.default for name, s in engine.settings.items() if s.default is not None}
        assert engine.calls(shots[0].settings) == engine.calls({**defaults, **shots[0].settings})

    @pytest.fixture
    def scheduler(self, engine: Engine) -> str:
        """A scheduler that `knobs` can have."""
        known = engine.settings["scheduler"].choices if "scheduler" in engine.settings else ()
        return str(known[0]) if known else "DDIMScheduler"

    def test_an_unknown_scheduler_is_refused_with_the_nearest_name(
        self, engine: Engine, shots: list[Shot], scheduler: str
    ) -> None:
        if "scheduler" not in engine.settings:
            pytest.skip("this engine has no scheduler")
        name = scheduler
        with pytest.raises(StudyError, match=f"Did you mean '{name}'"):
            engine.check({**shots[0].settings, "scheduler": name[:3] + name[4:]})

    def test_a_fingerprint_is_plain_json_and_does_not_depend_on_prompt_or_seed(
        self, engine: Engine, shots: list[Shot]
    ) -> None:
        fingerprints = [engine.fingerprint(shot) for shot in shots]
        assert all(isinstance(one, Fingerprint) for one in fingerprints)
        assert len({one.id for one in fingerprints}) == 1
        assert canonical_json(dict(fingerprints[0].facts))

    def test_each_shot_gets_one_answer_with_a_whole_picture(self, engine: Engine, shots: list[Shot]) -> None:
        answers = list(engine.render(shots))
        assert sorted(answer.shot.id for answer in answers) == sorted(shot.id for shot in shots)
        for answer in answers:
            assert isinstance(answer, Render), answer
            picture = Picture.open(io.BytesIO(answer.data))
            picture.load()
            assert picture.format is not None
            assert picture.format.lower() == answer.format
            assert picture.size == (answer.width, answer.height)
            assert answer.seconds >= 0
            assert answer.fingerprint.id == engine.fingerprint(answer.shot).id
            assert canonical_json(dict(answer.facts))
            said = answer.facts.get("said", [])
            assert isinstance(said, list)
            assert all(isinstance(text, str) for text in said), "`said` is a list of warnings"
            assert all(isinstance(answer.facts.get(name, ""), str) for name in ("read", "lost"))
            assert answer.facts.get("denoiser_calls") == engine.calls(answer.shot.settings)

    def test_the_same_shot_is_the_same_picture_in_any_company(self, engine: Engine, shots: list[Shot]) -> None:
        if engine.seeds != "exact":
            pytest.skip("this engine does not promise equal pictures")
        together = {a.shot.id: pixels_of(a) for a in engine.render(shots) if isinstance(a, Render)}
        for shot in reversed(shots):
            (alone,) = engine.render([shot])
            assert isinstance(alone, Render)
            assert np.array_equal(pixels_of(alone), together[shot.id])

    def test_prompt_and_seed_change_the_picture(self, engine: Engine, shots: list[Shot]) -> None:
        seen = {pixels_of(a).tobytes() for a in engine.render(shots) if isinstance(a, Render)}
        assert len(seen) == len(shots)

    def test_shots_are_pulled_only_as_answers_are_read(self, engine: Engine, shots: list[Shot]) -> None:
        pulled = []

        def endless() -> Iterator[Shot]:
            for number in range(10_000):
                pulled.append(number)
                yield Shot(shots[0].engine, {**shots[0].settings, "seed": number})

        answers = engine.render(endless())
        next(answers)
        answers.close()  # type: ignore[attr-defined]
        assert len(pulled) < 1000

    @pytest.mark.parametrize("kind", STRANGE_PROMPTS)
    def test_a_strange_prompt_fails_alone_at_most(self, engine: Engine, shots: list[Shot], kind: str) -> None:
        strange = Shot(shots[0].engine, {**shots[0].settings, "prompt": STRANGE_PROMPTS[kind]})
        answers = {a.shot.id: a for a in engine.render([shots[0], strange, shots[1]])}
        assert isinstance(answers[shots[0].id], Render)
        assert isinstance(answers[shots[1].id], Render)
        answer = answers[strange.id]
        if isinstance(answer, Failure):
            assert answer.reason in get_args(Reason)
            assert "\n" not in answer.text
            assert "Traceback" not in answer.text

    def test_no_shots_are_no_answers(self, engine: Engine) -> None:
        assert list(engine.render([])) == []

    def test_it_can_be_closed_twice_and_before_any_work(self, engine: Engine) -> None:
        engine.close()
        engine.close()

    def test_it_makes_pictures_again_after_it_was_closed(self, engine: Engine, shots: list[Shot]) -> None:
        (before,) = engine.render(shots[:1])
        engine.close()
        (after,) = engine.render(shots[:1])
        assert isinstance(before, Render)
        assert isinstance(after, Render)
        assert after.fingerprint.id == before.fingerprint.id
        if engine.seeds == "exact":
            assert np.array_equal(pixels_of(after), pixels_of(before))

    def test_it_is_found_by_its_name(self, engine: Engine, ref: EngineRef) -> None:
        assert plugins.load("engines", ref.name) is type(engine)
