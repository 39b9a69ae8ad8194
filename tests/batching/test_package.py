"""The package stands by itself: torch and greenlet, and its names without either."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from tests.batching import loop

import teststrip.batching
from teststrip.batching import DENOISERS, Batcher, Done
from teststrip.diffusion import backends, shooting


def imported(file: Path) -> set[str]:
    """The names of all modules that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            found.add(node.module or "")
    return found


def test_it_needs_torch_and_greenlet_and_nothing_else() -> None:
    folder = Path(teststrip.batching.__file__).parent
    names = set().union(*(imported(file) for file in folder.glob("*.py")))
    own = {name for name in names if name == "teststrip.batching" or name.startswith("teststrip.batching.")}
    assert {name.partition(".")[0] for name in names - own} - set(sys.stdlib_module_names) == {"torch", "greenlet"}


def test_its_names_and_records_and_what_a_plan_asks_for_are_imported_without_torch() -> None:
    code = (
        "import sys; from teststrip.batching import DENOISERS, Call;"
        "import teststrip.engines.diffusers; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


class Experts(loop.Loop):
    """A loop whose second half is another denoiser's."""

    def __init__(self) -> None:
        super().__init__()
        self.transformer, self.transformer_2 = self.unet, loop.Halve()
        del self.unet

    def __call__(self, *, steps: int, guidance: float, generator: torch.Generator) -> tuple[torch.Tensor]:
        latents = torch.randn(1, 4, generator=generator)
        for step in range(steps):
            expert = self.transformer if step < steps // 2 else self.transformer_2
            latents = latents - 0.1 * expert(latents, step, return_dict=False)[0]
        return (latents,)


def test_calls_meet_at_every_denoiser_that_a_pipeline_has() -> None:
    batcher = Batcher(Experts(), rows=4)
    answers: list[Any] = list(batcher.run(loop.calls([(6, 1.0)] * 8)))
    assert all(isinstance(answer, Done) and answer.denoiser_calls == 6 for answer in answers)
    assert {shape.split()[0] for shape in batcher.counts.widths} == {"transformer", "transformer_2"}


def test_where_calls_meet_a_backend_computes_and_a_plain_call_is_counted() -> None:
    pipe = Experts()
    assert backends.forwards("compile", WithWeights(), {}).keys() == {"transformer", "transformer_2"}
    with shooting.counted(pipe) as rows:
        pipe(steps=6, guidance=1.0, generator=torch.Generator())
    assert rows == [1] * 6
    assert set(shooting.COUNTED) >= set(DENOISERS)


class WithWeights:
    """A pipeline of two denoisers that `torch.compile` can ask for their device."""

    def __init__(self) -> None:
        self.transformer, self.transformer_2 = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
