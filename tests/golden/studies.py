"""Six little studies with scores of known truth, and the report of each, for people to read.

The pictures are the pattern engine's. The scores are put into the store and drawn by names alone, so that they are
equal on every machine. To add a study: add it to STUDIES, renew the files (`python -m tests.golden`) and read them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests import installing

from teststrip import study as studies
from teststrip.executors.local import open_engine
from teststrip.records import Failure, Fingerprint, Planned, Render, Score
from teststrip.results import Result
from teststrip.results.result import open_result
from teststrip.store import Store
from teststrip.views import report

HERE = Path(__file__).parent
THINGS = (
    "owl", "boat", "rose", "city", "detective", "king", "tree", "bridge", "cat", "lamp", "train", "island",
    "castle", "horse", "violin", "market", "lighthouse", "robot", "garden", "whale", "desert", "clock", "temple",
    "fox", "harbour", "piano", "volcano", "kite", "waterfall", "tower", "bicycle", "forest", "snowman", "canyon",
    "library", "dragon", "meadow", "comet", "teapot", "glacier",
)  # fmt: skip
CLIP = {"clip_score": {"model": "openai/clip-vit-base-patch32"}}
"""A scorer of photographs; the embedded one would recommend nothing for pictures that are not of its model."""

PLUG_INS = '''
from teststrip.engines.pattern import PatternEngine
from teststrip.records import Card, Fingerprint, Setting


class StudioA(PatternEngine):
    """Stands for a hosted service, whose seeds give a like picture."""

    seeds = "best effort"


class StudioB(StudioA):
    """Stands for another one, of another taste."""

    seeds = "none"
    settings = {**PatternEngine.settings, "guidance_scale": Setting("guidance_scale", "float", 4.0)}


class Hands:
    """Whether the hands in a picture are right, as a person says who looks: 0 or 1."""

    options = {}
    card = Card("hands_right", higher_is_better=True, low=0, high=1)

    def fingerprint(self):
        return Fingerprint({"metric": "hands_right", "by": "a person"})

    def score(self, items):
        return [float("nan")] * len(items)
'''


def install(site: Path) -> None:
    """Write the plug-ins of these studies into a folder, which must stand on the path."""
    parts = {
        "engines": {"studio_a": "studio:StudioA", "studio_b": "studio:StudioB"},
        "metrics": {"hands_right": "studio:Hands"},
    }
    installing.distribution(site, "studio", parts, PLUG_INS)


def noise(*names: object) -> float:
    """A number with mean 0 and SD 1 that depends on the names alone."""
    return random.Random(repr(names)).gauss(0, 1)


@dataclass(frozen=True)
class Golden:
    """A little study.

    Attributes:
        keys: of the study file.
        score: of a picture at its place in the plan.
    """

    keys: Mapping[str, Any]
    score: Callable[[Planned], float]


def _prompts(count: int) -> list[str]:
    return [f"a {thing}" for thing in THINGS[:count]]


def _level(planned: Planned, axis: str) -> float:
    return float(planned.cell[axis])


def _drawn(planned: Planned, effect: float, *, own: float = 0.2) -> float:
    """A score: height of the prompt, luck of the seed, the prompt's own response, scatter of the picture."""
    prompt, seed, cell = planned.prompt.id, planned.replicate, repr(planned.cell.levels)
    height = 2 * noise(prompt) + 0.85 * noise(prompt, seed)
    return height + effect + own * noise(prompt, cell) + 0.5 * noise(prompt, seed, cell)


def _one_prompt(planned: Planned) -> float:
    return 26 + _drawn(planned, {3.0: 0.0, 7.0: 2.0, 15.0: 0.6}[_level(planned, "guidance_scale")])


def _five_prompts(planned: Planned) -> float:
    steps = {20.0: 0.0, 50.0: 0.45}[_level(planned, "num_inference_steps")]
    return 26 + _drawn(planned, steps + 0.05 * _level(planned, "guidance_scale"), own=0.15)


def _forty_prompts(planned: Planned) -> float:
    portrait = "portrait" in planned.prompt.tags
    return 5.5 + 0.4 * _drawn(planned, (0.3 if portrait else 1.4) * (_level(planned, "guidance_scale") == 7))


def _refusals(planned: Planned) -> float:
    return 21 + _drawn(planned, {10.0: 0.0, 20.0: 1.2, 40.0: 1.3}[_level(planned, "num_inference_steps")])


def _studios(planned: Planned) -> float:
    return 5.5 + 0.4 * _drawn(planned, 1.0 * (planned.cell["engine"] == "second"), own=0.3)


def _hands(planned: Planned) -> float:
    worse = {"DDIMScheduler": 0.0, "EulerAncestralDiscreteScheduler": 1.1}[planned.cell["scheduler"]]
    return float(_drawn(planned, 0.6 - worse) > 0)


STUDIES: Mapping[str, Golden] = {
    "one-prompt": Golden(
        {
            "prompts": ["a single blood-red rose with thorns dripping blood"],
            "replicates": 8,
            "axes": {"guidance_scale": [3, 7, 15]},
            "question": {"metrics": ["clip_score"]},
            "metrics": CLIP,
        },
        _one_prompt,
    ),
    "five-prompts": Golden(
        {
            "prompts": _prompts(5),
            "replicates": 6,
            "axes": {"guidance_scale": [6, 7, 8], "num_inference_steps": [20, 50]},
            "question": {"metrics": ["clip_score"], "margin": 0.3},
            "metrics": CLIP,
        },
        _five_prompts,
    ),
    "forty-prompts": Golden(
        {
            "prompts": [
                {"text": text, "tags": ["portrait" if i % 2 else "landscape"]} for i, text in enumerate(_prompts(40))
            ],
            "replicates": 1,
            "axes": {"guidance_scale": [3, 7]},
            "question": {"metrics": ["aesthetic"], "margin": {"aesthetic": 0.1}},
        },
        _forty_prompts,
    ),
    "refusals": Golden(
        {
            "prompts": _prompts(12),
            "replicates": 2,
            "engine": {
                "name": "pattern",
                "fail": "; ".join(
                    f"refused: prompt={text}, num_inference_steps=40" for text in ("a king", "a city", "a detective")
                ),
            },
            "axes": {"num_inference_steps": [10, 20, 40]},
            "question": {"metrics": ["pick_score"]},
        },
        _refusals,
    ),
    "two-engines": Golden(
        {
            "prompts": _prompts(8),
            "replicates": 4,
            "engine": None,
            "engines": {"first": {"name": "studio_a"}, "second": {"name": "studio_b"}},
            "axes": {"engine": ["first", "second"]},
            "question": {"metrics": ["aesthetic"]},
        },
        _studios,
    ),
    "yes-or-no": Golden(
        {
            "prompts": _prompts(12),
            "replicates": 4,
            "axes": {"scheduler": ["DDIMScheduler", "EulerAncestralDiscreteScheduler"]},
            "question": {"metrics": ["hands_right"], "margin": {"hands_right": 0.1}},
        },
        _hands,
    ),
}


def made(name: str, folder: Path) -> Result:
    """The study with its pictures and scores, as a run leaves it, opened to read. The plug-ins must be installed."""
    golden = STUDIES[name]
    keys = {"name": name, "engine": {"name": "pattern"}, "settings": {"width": 16, "height": 16}, **golden.keys}
    study = studies.study(**{key: value for key, value in keys.items() if value is not None})
    folder.mkdir()
    (folder / "study.toml").write_text(studies.dump(study), encoding="utf-8")
    with Store(folder, write=True):
        pass
    by = Fingerprint({"metric": study.question.metrics[0], "by": "tests"})
    with open_result(folder) as planned, Store(folder, write=True) as store:
        for one in planned.planned:
            (answer,) = open_engine(one.shot.engine).render([one.shot])
            if isinstance(answer, Failure):
                store.fail(answer)
                continue
            image = store.add(_timed(answer, one))
            store.add_scores([Score(study.question.metrics[0], (image.digest,), golden.score(one), by.id)], [by])
    return open_result(folder)


def _timed(render: Render, planned: Planned) -> Render:
    """The render as if each denoiser call took 50 ms."""
    calls = render.facts["denoiser_calls"]
    assert isinstance(calls, int)
    where = {} if planned.shot.engine.name == "pattern" else {"denoiser_calls": None}
    facts = {key: value for key, value in {**render.facts, **where}.items() if value is not None}
    return replace(render, seconds=0.05 * calls * (1 + 0.01 * noise(planned.shot.id)), facts=facts)


def told(name: str, folder: Path) -> str:
    """What the terminal prints, then the full report; without its last part, which names versions of this machine."""
    with made(name, folder) as result:
        printed = report.text(result).replace(str(folder), name)
        page = report.full_markdown(result).split("## To reproduce", maxsplit=1)[0]
        return f"```\n$ teststrip report {name}\n{printed}```\n\n{page.rstrip()}\n"
