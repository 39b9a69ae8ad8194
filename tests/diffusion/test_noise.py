"""One seed, two streams: no noise of a picture is drawn twice, batched or plain, and a fingerprint knows who draws."""

from __future__ import annotations

from functools import cache
from itertools import combinations
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests import tiny_families, tiny_pipelines
from tests.batching import oracle
from tests.shots import shot_of
from torch.overrides import TorchFunctionMode

from teststrip.batching import Batcher, Call, Done
from teststrip.batching.streams import GlobalStream, global_seed
from teststrip.diffusion import noise, pipelines, schedulers, shooting
from teststrip.engines.diffusers import DiffusersEngine
from teststrip.records import EngineRef, Render, Shot

NAMES = ("randn", "rand", "randint", "normal", "uniform", "random", "multinomial", "bernoulli", "exponential", "cauchy")
RANDOM = {name + ending for name in NAMES for ending in ("", "_", "_like")}
SEED = 5

# CI tries these with every family that can have them; `make campaign` tries all.
FEW = ("FlowMatchLCMScheduler", "DPMSolverSDEScheduler")
built = cache(tiny_pipelines.build)


def pairs() -> list[Any]:
    """Every family with every scheduler that can stand in for its own."""
    families = tiny_pipelines.SCHEDULER | tiny_families.SCHEDULER
    found = [(family, name, own) for family, own in families.items() for name in schedulers.alternatives(own)]
    return [
        pytest.param(family, name, id=f"{family} {name}", marks=_marks(family, name, own))
        for family, name, own in found
    ]


def _marks(family: str, name: str, own: str) -> Any:
    """The mark `slow` for what is left to `make campaign`."""
    further = (("sana_sprint", own), ("z_image", "FlowMatchLCMScheduler"), ("lcm", own))
    quick = (family, name) in further if family in tiny_families.SCHEDULER else name in (own, *FEW)
    return () if quick else pytest.mark.slow


class Draws(TorchFunctionMode):
    """Keeps the random numbers that are drawn while it is on.

    Attributes:
        noise: every draw of more than a few numbers, flat, and the generator that gave it.
        without_generator: how many draws came from the global generator.
    """

    def __init__(self) -> None:
        super().__init__()
        self.noise: list[tuple[torch.Tensor, torch.Generator | None]] = []
        self.without_generator = 0

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        answer = function(*args, **(kwargs or {}))
        if getattr(function, "__name__", "") in RANDOM and isinstance(answer, torch.Tensor):
            generator = (kwargs or {}).get("generator")
            self.without_generator += generator is None
            if answer.numel() > 8:
                self.noise.append((answer.detach().clone().flatten(), generator))
        return answer

    def repeated(self) -> list[tuple[int, int]]:
        """Pairs of draws of which one begins with the numbers of the other.

        A Brownian tree may read a branch twice: it makes the branch's generator again, from the seed of the branch.
        """
        return [
            (first, second)
            for (first, (one, by)), (second, (two, and_by)) in combinations(enumerate(self.noise), 2)
            if torch.equal(one[: len(two)], two[: len(one)])
            and not (by and and_by and by is not and_by and by.initial_seed() == and_by.initial_seed())
        ]


@pytest.mark.parametrize(("family", "name"), pairs())
@pytest.mark.filterwarnings("ignore")
def test_no_noise_of_a_picture_is_drawn_twice_and_the_fingerprint_knows_who_draws(family, name):
    pipe = built(family)
    side = (tiny_pipelines.SIDE | tiny_families.SIDES).get(family, tiny_families.SIDE)
    described = pipelines.find(type(pipe).__name__)
    settings = {"prompt": "an owl", "num_inference_steps": 3, "width": side, "height": side}
    settings |= tiny_families.ASKED.get(family, {})
    call = shooting.arguments(described, shot_of(settings))
    with Draws() as plain:
        try:
            picture, _ = shooting.expose(pipe, call, SEED, shooting.scheduler(pipe, {"scheduler": name}))
        except Exception as error:
            pytest.skip(f"{family} cannot have it: {error}")
    assert plain.repeated() == []
    assert bool(plain.without_generator) == noise.from_global(described, name, pipe.scheduler.config, settings)
    calls = [
        Call(seed, call, seed, lambda: shooting.scheduler(pipe, {"scheduler": name}), length=3)
        for seed in (SEED, SEED + 1)
    ]
    with Draws() as batched:
        answers = {answer.call.key: answer for answer in Batcher(pipe, rows=4).run(calls)}
    assert batched.repeated() == []
    assert all(isinstance(answer, Done) for answer in answers.values()), answers
    assert {bool(answer.alone) for answer in answers.values()} == {family == "cascade"}
    made = torch.from_numpy(answers[SEED].output[0])
    if torch.isfinite(made).all():
        assert oracle.levels(made, torch.from_numpy(picture)) <= 1


def test_a_repeated_draw_is_seen_by_the_law_above():
    pipe = built("sd3")
    with Draws() as draws, torch.random.fork_rng():
        torch.manual_seed(SEED)  # what made the first noise of flow matching the starting noise again
        pipe.scheduler.from_config(pipe.scheduler.config)
        torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(SEED))
        torch.randn(1, 4, 16, 16)
    assert draws.repeated() == [(0, 1)]
    assert draws.without_generator == 1


@given(st.integers(0, 2**64 - 1))
def test_the_two_streams_of_a_seed_differ_in_what_the_generator_reads(seed):
    assert 0 <= global_seed(seed) < 2**32
    assert global_seed(seed) != seed % 2**32


@given(st.lists(st.integers(0, 2), min_size=1, max_size=9))
def test_a_stream_goes_on_where_it_paused_whatever_is_drawn_between(turns):
    def drawn(order: list[int]) -> dict[int, list[float]]:
        streams = [GlobalStream(seed) for seed in range(3)]
        found: dict[int, list[float]] = {}
        for turn in order:
            with streams[turn].current():
                found.setdefault(turn, []).append(float(torch.randn(())))
        return found

    before = torch.get_rng_state()
    assert drawn(turns) == drawn(sorted(turns))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("batch", [1, 4])
def test_a_scheduler_with_fresh_noise_makes_other_pictures_than_one_without(batch, tmp_path):
    model = str(tiny_pipelines.save("sd3", tmp_path / "sd3"))
    engine = DiffusersEngine(batch=batch)
    shots = [
        Shot(
            EngineRef("diffusers"),
            {"prompt": "an owl", "seed": 1, "model": model, "scheduler": name, "num_inference_steps": 2, "width": 32}
            | {"height": 32},
        )
        for name in ("FlowMatchEulerDiscreteScheduler", "FlowMatchLCMScheduler")
    ]
    answers = {answer.shot.settings["scheduler"]: answer for answer in engine.render(shots)}
    assert all(isinstance(answer, Render) for answer in answers.values())
    euler, lcm = (answers[shot.settings["scheduler"]] for shot in shots)
    assert euler.facts["pixels"] != lcm.facts["pixels"]
    assert "recipe" not in euler.fingerprint.facts
    assert lcm.fingerprint.facts["recipe"] == 2
    assert engine.recipes[2]
    engine.close()
