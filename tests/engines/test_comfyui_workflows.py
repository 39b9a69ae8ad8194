"""Workflows of the user's own in the engine `comfyui`: places, seeds, and what no graph of a study may be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.hosted.comfy_service import ComfyService, Graph, configured

from teststrip import study as studies
from teststrip.comfy import workflows
from teststrip.comfy.families import FAMILIES, build
from teststrip.engines.comfyui import ComfyUIEngine
from teststrip.errors import EngineError, StudyError
from teststrip.records import EngineRef, Failure, Render, Shot
from teststrip.verbs import forecast
from teststrip.verbs.run import drive

pytest.importorskip("httpx2")

PLACES = """
KSampler.seed = seed
KSampler.steps = num_inference_steps
Says.text = prompt
Tint.warmth = warmth; Tint.steps = tint_steps
"""


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ComfyService]:
    with ComfyService() as found:
        configured(tmp_path, monkeypatch, here=found)
        yield found


def exported(**changes: Any) -> dict[str, Any]:
    """A workflow as ComfyUI exports it: numbers as ids, titles, a custom node, and a preview beside the saver.

    Args:
        changes: nodes by id; None takes one out.
    """
    graph: dict[str, Any] = {
        "3": node("KSampler", "KSampler", seed=5, steps=8, cfg=7, sampler_name="euler", scheduler="normal", denoise=1),
        "4": node("CheckpointLoaderSimple", "Load Checkpoint", ckpt_name="sd15.safetensors"),
        "5": node("EmptyLatentImage", "Empty Latent", width=32, height=16, batch_size=1),
        "6": node("CLIPTextEncode", "Says", text="a cat", clip=["4", 1]),
        "7": node("CLIPTextEncode", "Says not", text="blurry", clip=["4", 1]),
        "8": node("VAEDecode", "VAE Decode", samples=["3", 0], vae=["4", 2]),
        "9": node("SaveImage", "Save Image", filename_prefix="ComfyUI", images=["10", 0]),
        "10": node("Tint", "Tint", image=["8", 0], warmth=0, steps=3),
        "11": node("PreviewImage", "Preview", images=["8", 0]),
    }
    graph["3"]["inputs"] |= {"model": ["4", 0], "positive": ["6", 0], "negative": ["7", 0], "latent_image": ["5", 0]}
    return {name: one for name, one in (graph | changes).items() if one is not None}


def node(kind: str, title: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs, "_meta": {"title": title}}


def written(folder: Path, graph: object) -> str:
    file = folder / "portrait.json"
    file.write_text(graph if isinstance(graph, str) else json.dumps(graph), encoding="utf-8")
    return str(file)


def engine(folder: Path, graph: object = None, places: str = PLACES) -> ComfyUIEngine:
    return ComfyUIEngine(
        workflow=written(folder, graph or exported()), places=places, provider="here", first_wait=0.0, timeout=5.0
    )


def test_places_fill_the_graph_and_all_else_stays_as_it_was_exported(tmp_path: Path, service: ComfyService) -> None:
    made = engine(tmp_path)
    asked = {"prompt": "an owl", "seed": 9, "num_inference_steps": 4, "warmth": 0.5, "tint_steps": 2.0}
    (answer,) = made.render([Shot(EngineRef("comfyui"), asked)])
    made.close()
    assert isinstance(answer, Render), answer
    ((_, graph),) = service.ran
    assert "11" not in graph  # a preview is not what is asked
    assert graph["3"]["inputs"] | {"seed": 9, "steps": 4, "cfg": 7.0, "scheduler": "normal"} == graph["3"]["inputs"]
    assert graph["10"]["inputs"] | {"warmth": 0.5, "steps": 2} == graph["10"]["inputs"]
    assert graph["6"]["inputs"]["text"] == "an owl"
    assert answer.fingerprint.facts["packages"] == ["tint"]


def test_settings_of_places_have_the_houses_names_or_the_kind_of_the_workflows_value(tmp_path: Path) -> None:
    found = engine(tmp_path).settings
    assert set(found) == {"seed", "num_inference_steps", "prompt", "warmth", "tint_steps"}
    assert found["num_inference_steps"].kind == "int"
    assert found["warmth"].kind == found["tint_steps"].kind == "float"
    assert found["warmth"].doc == "Tint.warmth of the workflow."


def test_a_number_that_the_server_would_cut_off_is_refused(tmp_path: Path, service: ComfyService) -> None:
    made = engine(tmp_path)
    made.meet()
    asked = {"prompt": "an owl", "seed": 9, "tint_steps": 2.5}
    assert made.rehearse(asked) == "tint_steps: 2.5 is no whole number, and the server would cut it off"
    (answer,) = made.render([Shot(EngineRef("comfyui"), asked)])
    made.close()
    assert isinstance(answer, Failure)
    assert service.ran == []


def test_a_place_may_be_named_by_id_and_a_setting_may_fill_several(tmp_path: Path) -> None:
    made = workflows.parse(json.dumps(exported()), '3.seed = seed; 6.text = prompt; "Says not".text = prompt')
    graph = made.filled({"prompt": "an owl", "seed": 1})
    assert graph["6"]["inputs"]["text"] == graph["7"]["inputs"]["text"] == "an owl"


SEEDED = {"12": node("PrimitiveInt", "Luck", value=7)}
LINKED = exported(**SEEDED)
LINKED["3"] = {**LINKED["3"], "inputs": LINKED["3"]["inputs"] | {"seed": ["12", 0]}}
SECOND = exported()
SECOND["10"] = node("Upscale", "Second pass", image=["8", 0], noise_seed=3)

WRONG: dict[str, tuple[object, str, str]] = {
    "no JSON": ("{", PLACES, "the file is no JSON"),
    "a list": ("[]", PLACES, "no graph in API format"),
    "the drawing": ({"nodes": [], "links": []}, PLACES, "choose File, then Export"),
    "a node without a class": (exported(**{"3": {"inputs": {}}}), PLACES, "node '3' has no class_type"),
    "no saver": (exported(**{"9": None}), PLACES, "no node saves the picture"),
    "two savers": (exported(**{"12": node("SaveImage", "Two", filename_prefix="b")}), PLACES, "Save Image, Two"),
    "no places": (exported(), "", "KSampler.seed = seed; KSampler.steps = num_inference_steps"),
    "no title": (exported(), "KSamplr.seed = seed", "no node 'KSamplr'. Did you mean 'KSampler'"),
    "no input": (exported(), "KSampler.sead = seed", "no input 'sead'. Did you mean 'seed'"),
    "no place": (exported(), "KSampler = seed", "'KSampler = seed' is no place"),
    "a link": (exported(), "KSampler.model = model", "comes from another node"),
    "two settings": (exported(), PLACES + "3.seed = luck", "is two settings, seed and luck"),
    "one title twice": (exported(**{"7": node("CLIPTextEncode", "Says", text="")}), PLACES, "2 nodes have the title"),
    "not needed": (exported(**{"12": node("Tint", "Idle", warmth=1)}), PLACES + "Idle.warmth = idle", "does nothing"),
    "no prompt": (exported(), "KSampler.seed = seed", "nothing takes the prompt"),
    "no seed": (exported(), "Says.text = prompt", "nothing takes the seed"),
    "a second seed": (SECOND, "KSampler.seed = seed; Says.text = prompt", "Second pass.noise_seed is a seed"),
    "a seed by a link": (
        LINKED,
        "Says.text = prompt; KSampler.steps = seed",
        "KSampler.seed is a seed and would be the same in all replicates",
    ),
    "a batch": (exported(**{"5": node("EmptyLatentImage", "L", batch_size=4)}), PLACES, "L.batch_size is 4"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_workflow_that_cannot_be_studied_says_why_and_what_to_do(tmp_path: Path, kind: str) -> None:
    graph, places, text = WRONG[kind]
    with pytest.raises(EngineError) as error:
        engine(tmp_path, graph, places)
    assert text in str(error.value)


def test_a_seed_that_comes_from_another_node_is_bound_there() -> None:
    made = workflows.parse(json.dumps(LINKED), "Luck.value = seed; Says.text = prompt")
    assert made.filled({"seed": 4})["12"]["inputs"]["value"] == 4


def test_a_seed_under_another_name_is_found_by_what_the_server_says(tmp_path: Path, service: ComfyService) -> None:
    graph = exported(**{"10": node("Lucky", "Lucky", image=["8", 0], luck=3)})
    made = engine(tmp_path, graph, "KSampler.seed = seed; Says.text = prompt")
    made.meet()
    said = made.rehearse({"prompt": "an owl", "seed": 1})
    made.close()
    assert said == "Lucky.luck is a seed and would be the same in all replicates. Write Lucky.luck = seed"


def test_a_partner_node_is_refused_before_anything_is_sent(tmp_path: Path, service: ComfyService) -> None:
    graph = {
        "1": node("PaidImage", "Paid", prompt="x", seed=1),
        "2": node("SaveImage", "Save", filename_prefix="x", images=["1", 0]),
    }
    made = engine(tmp_path, graph, "Paid.prompt = prompt; Paid.seed = seed")
    asked = {"prompt": "an owl", "seed": 1}
    made.meet()
    assert "asks a paid service, which no limit of money here could hold" in made.rehearse(asked)
    (answer,) = made.render([Shot(EngineRef("comfyui"), asked)])
    made.close()
    assert isinstance(answer, Failure)
    assert not any(request.path == "/prompt" for request in service.requests)


def test_a_node_that_is_not_installed_is_named(tmp_path: Path, service: ComfyService) -> None:
    del service.objects["Tint"]
    made = engine(tmp_path)
    made.meet()
    assert made.rehearse({"prompt": "x", "seed": 1}) == "Tint: there is no node 'Tint' on the server"
    made.close()


def test_the_digest_of_a_workflow_knows_all_that_no_setting_says() -> None:
    def digest(graph: Graph, **settings: Any) -> str:
        return workflows.parse(json.dumps(graph), PLACES).digest({"seed": 1, **settings})

    base = digest(exported())
    assert digest(exported(), seed=2) == base
    assert digest(exported(), num_inference_steps=3) == digest(exported(), num_inference_steps=4) != base
    changed = exported()
    changed["3"]["inputs"]["steps"] = 9
    assert digest(changed) != base
    assert digest(changed, num_inference_steps=3) == digest(exported(), num_inference_steps=3)
    titled = exported()
    titled["4"]["_meta"]["title"] = "Another word"
    assert digest(titled) == base


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("whole", [True, False])
def test_every_link_of_a_built_in_graph_leads_to_a_node_and_all_seeds_are_bound(family: str, whole: bool) -> None:
    kind = FAMILIES[family]
    if not whole and not kind.encoders:
        pytest.skip("this family's models are one file")
    built = build(kind, whole=whole, own_vae=False)
    for one in built.nodes.values():
        for value in one["inputs"].values():
            assert not isinstance(value, list) or value[0] in built.nodes
    assert set(workflows.seed_inputs(built.nodes)) == set(built.places["seed"])


def test_a_study_of_sampler_and_steps_runs_to_its_findings(tmp_path: Path, service: ComfyService) -> None:
    file = tmp_path / "comfy.toml"
    written(tmp_path, exported())
    file.write_text(
        """
name = "comfy"
prompts = ["an owl", "a rose", "a boat", "a street", "a face", "a hill"]
replicates = 2
[engine]
name = "comfyui"
provider = "here"
workflow = "portrait.json"
places = '''
KSampler.seed = seed
KSampler.steps = num_inference_steps
KSampler.sampler_name = scheduler
Says.text = prompt
'''
[axes]
sampler_name = ["euler", "dpmpp_2m"]
steps = [2, 4]
[question]
metrics = ["sharpness"]
""",
        encoding="utf-8",
    )
    with drive(file, tmp_path / "s", trackers=[]).result as result:
        assert result.made == 48
        assert result.paired_seeds
        assert {finding.axis for finding in result.findings} >= {"scheduler", "num_inference_steps"}
    again = drive(file, tmp_path / "s", trackers=[], views=False)
    again.result.close()
    assert (again.made, len(service.ran)) == (0, 48)
    before = len(service.requests)
    assert len(forecast.of(file, tmp_path / "s").done) == 48
    assert forecast.of(file).done == frozenset()
    assert len(service.requests) == before, "a plan asked the server"


def test_a_run_asks_the_server_for_every_cell_before_the_first_picture(tmp_path: Path, service: ComfyService) -> None:
    asked = studies.study(
        name="comfy",
        prompts=["an owl", "a rose"],
        engine={"name": "comfyui", "family": "sd15", "provider": "here"},
        settings={"model": "sd15.safetensors", "width": 32, "height": 16},
        axes={"scheduler": ["euler", "a_sampler_of_another_machine"]},
    )
    assert not service.requests
    with pytest.raises(StudyError, match="'a_sampler_of_another_machine' is not on the server"):
        drive(asked, tmp_path / "s", trackers=[], views=False)
    assert service.ran == []
    outcome = drive(asked, tmp_path / "s", trackers=[], views=False, without_failing=True)
    outcome.result.close()
    assert outcome.made == 2
