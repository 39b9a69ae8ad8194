"""A component from the Hub: read at plan time without weights, fetched at its commit, and known offline afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests import tiny_pipelines as tiny
from tests.diffusion.hub import serving
from tests.diffusion.test_models import FIRST, REFUSED, on_hub

CODE = """
from pathlib import Path
from teststrip.diffusion import part_loading, parts
from teststrip.weights.digests import Digests
model = find(sys.argv[1])
try:
    part = parts.find(sys.argv[2], sys.argv[3], model, None)
    print("found", part.kind, part.here)
    if len(sys.argv) > 4:
        part_loading.fetch(part)
        print("fetched", part.here)
    print(sorted(part.identity(Digests(), None).items()))
except TeststripError as error:
    print(type(error).__name__, error)
"""


@pytest.fixture(scope="module")
def flux(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save("flux", tmp_path_factory.mktemp("flux"))


def test_a_component_of_the_hub_is_checked_without_its_weights_and_fetched_at_its_commit(flux, tmp_path) -> None:
    asked = (str(flux), "vae", "someone/parts::vae")
    with serving() as hub:
        hub.repos["someone/parts", FIRST] = flux
        hub.branches["someone/parts", "main"] = FIRST
        planned = on_hub(tmp_path, CODE, *asked, HF_ENDPOINT=hub.address).splitlines()
        assert planned[0] == "found AutoencoderKL False"
        assert not [path for path in hub.asked if path.endswith(".safetensors")], "a plan fetches no weights"
        made = on_hub(tmp_path, CODE, *asked, "load", HF_ENDPOINT=hub.address).splitlines()
        assert made[1] == "fetched True"
        assert {path.split("/")[-2] for path in hub.asked if path.endswith(".safetensors")} == {"vae"}
        assert made[-1] == planned[-1] == str([("commit", FIRST), ("inside", "vae"), ("repo", "someone/parts")])
    offline = on_hub(tmp_path, CODE, *asked, "load", HF_ENDPOINT=REFUSED).splitlines()
    assert offline == ["found AutoencoderKL True", *made[1:]]


def test_one_sentence_says_that_the_hub_lacks_a_component_or_cannot_be_reached(flux, tmp_path) -> None:
    with serving() as hub:
        hub.repos["someone/parts", FIRST] = flux
        hub.branches["someone/parts", "main"] = FIRST
        lacking = on_hub(tmp_path, CODE, str(flux), "vae", "someone/parts::vea", HF_ENDPOINT=hub.address)
        misfit = on_hub(tmp_path, CODE, str(flux), "vae", "someone/parts::transformer", HF_ENDPOINT=hub.address)
        unknown = on_hub(tmp_path, CODE, str(flux), "vae", "someone/other", HF_ENDPOINT=hub.address)
    refused = on_hub(tmp_path / "new", CODE, str(flux), "vae", "someone/parts::vae", HF_ENDPOINT=REFUSED)
    assert lacking == "StudyError vae: 'someone/parts::vea' holds no config.json. Name the folder of one component"
    assert misfit.startswith("StudyError vae: 'someone/parts::transformer' holds a FluxTransformer2DModel, and Flux")
    for said in (unknown, refused):
        assert said.startswith("EngineError vae: ")
        assert "Go online once and run: hf download" in said
        assert "\n" not in said
