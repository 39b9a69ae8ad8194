"""A study is read and planned on one machine; its pictures are made on another, which alone must have the device."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from teststrip import plan
from teststrip.diffusion import attention
from teststrip.errors import EngineError, StudyError
from teststrip.executors.local import LocalExecutor, open_engine
from teststrip.records import Study
from teststrip.study import study
from teststrip.verbs.run import drive
from teststrip.weights.loading import devices

MISSING = next(name for name in ("cuda", "mps") if name not in devices())


class Far(LocalExecutor):
    """Makes pictures on a machine that has the device: this one's processor stands for it."""

    remote = True

    def __init__(self) -> None:
        super().__init__(lambda ref: open_engine(replace(ref, operation={**ref.operation, "device": "cpu"})))


@pytest.fixture
def far() -> Study:
    return study(
        name="far",
        prompts=["an owl"],
        replicates=2,
        engine={"name": "diffusers", "device": MISSING},
        settings={"model": "emoji", "num_inference_steps": 2},
        axes={"guidance_scale": [3, 7]},
    )


@pytest.mark.parametrize("without_failing", [False, True])
def test_a_machine_without_the_device_plans_and_drives_a_study_of_one_that_has_it(
    tmp_path: Path, far: Study, *, without_failing: bool
) -> None:
    assert plan.of(far).calls()
    with Far() as executor:
        done = drive(far, tmp_path / "run", executor=executor, without_failing=without_failing, views=False)
    assert (done.made, done.failed) == (4, 0)


def test_where_pictures_are_made_without_the_device_one_sentence_says_so(tmp_path: Path, far: Study) -> None:
    with pytest.raises(EngineError, match=f"device = '{MISSING}'.*sees no such device. There is: .*cpu"):
        drive(far, tmp_path / "run", views=False)


def test_what_needs_a_device_is_refused_for_another_and_the_message_names_it() -> None:
    with pytest.raises(StudyError, match=r"needs an NVIDIA GPU.* or device = 'cuda', where a machine with a GPU makes"):
        attention.check("_native_cudnn", "", device="cpu", dtype="bfloat16")
    attention.check("_native_cudnn", "", device="cuda", dtype="bfloat16")
