"""What `model` can be, and that a hub name becomes one commit, whatever its branch does later."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from tests.diffusion.hub import serving

from teststrip.diffusion.models import find
from teststrip.errors import EngineError, StudyError
from teststrip.weights.digests import Digests

INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "scheduler": ["diffusers", "DDIMScheduler"],
    "unet": ["diffusers", "UNet2DConditionModel"],
}
FIRST, SECOND = "1" * 40, "2" * 40


def folder(path, **changes):
    """A model folder of empty weights."""
    for part in ("unet", "scheduler"):
        (path / part).mkdir(parents=True)
    (path / "model_index.json").write_text(json.dumps(INDEX | changes))
    (path / "unet" / "config.json").write_text('{"time_cond_proj_dim": 256, "sample_size": [1, 2]}')
    (path / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"\2\0\0\0\0\0\0\0{}")
    (path / "scheduler" / "scheduler_config.json").write_text('{"beta_end": 0.012}')
    return path


def single_file(path, *tensors):
    header = json.dumps({name: {"dtype": "F16", "shape": [0], "data_offsets": [0, 0]} for name in tensors}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    return path


def test_a_folder_tells_its_pipeline_its_scheduler_and_its_configuration(tmp_path):
    model = find(str(folder(tmp_path / "m")))
    assert model.pipeline == "StableDiffusionPipeline"
    assert model.scheduler == ("DDIMScheduler", {"beta_end": 0.012})
    assert model.config("unet", "time_cond_proj_dim") == 256
    assert model.config("unet", "sample_size") is None  # a list is no setting
    assert model.config("", "_class_name") == "StableDiffusionPipeline"
    assert model.config("../unet", "time_cond_proj_dim") is None


@pytest.mark.parametrize(
    ("tensor", "pipeline"),
    [
        ("cond_stage_model.transformer.text_model.final_layer_norm.bias", "StableDiffusionPipeline"),
        ("conditioner.embedders.1.model.ln_final.bias", "StableDiffusionXLPipeline"),
        ("model.diffusion_model.joint_blocks.0.x_block.attn.qkv.bias", "StableDiffusion3Pipeline"),
        ("double_blocks.0.img_attn.norm.key_norm.scale", "FluxPipeline"),
        ("model.diffusion_model.double_blocks.0.img_attn.norm.key_norm.scale", "FluxPipeline"),
        ("model.diffusion_model.distilled_guidance_layer.in_proj.bias", "ChromaPipeline"),
        ("layers.0.adaLN_modulation.0.weight", "ZImagePipeline"),
    ],
)
def test_a_single_file_tells_its_kind_by_the_names_of_its_tensors(tmp_path, tensor, pipeline):
    # Chroma has Flux's double blocks, too, and every file of all parts has a VAE.
    file = single_file(tmp_path / "m.safetensors", tensor, "double_blocks.0.x", "vae.encoder.conv_in.bias")
    if "double" in tensor or "distilled" in tensor:
        assert find(str(file)).pipeline == pipeline
    assert find(str(single_file(tmp_path / "n.safetensors", tensor, "vae.decoder.conv_in.bias"))).pipeline == pipeline


@pytest.mark.parametrize("prefix", ["", "model.diffusion_model."])
def test_a_file_of_the_denoiser_alone_says_what_is_missing(tmp_path, prefix):
    file = single_file(tmp_path / "flux.safetensors", f"{prefix}double_blocks.0.img_attn.norm.key_norm.scale")
    with pytest.raises(StudyError, match="the denoiser of a FluxPipeline alone, without text encoder and VAE"):
        find(str(file))


def test_flux_2_is_not_taken_for_flux(tmp_path):
    file = single_file(tmp_path / "f.safetensors", "single_stream_modulation.lin.weight", "double_blocks.0.x", "vae.x")
    with pytest.raises(StudyError, match="holds no model of a known kind"):
        find(str(file))


@pytest.mark.parametrize(
    ("name", "hint"),
    [('"C:\\models\\sd15"', "take away the inner ones"), ("C:\new\tiny", "put a Windows path into single quotes")],
)
def test_a_path_with_a_slip_of_the_pen_says_which(name, hint):
    with pytest.raises(StudyError, match=hint):
        find(name)


def test_a_training_folder_is_judged_by_what_is_loaded_alone(tmp_path):
    digests = Digests(tmp_path / "digests.json")
    own = folder(tmp_path / "m")
    before = find(str(own)).identity(digests, None)
    (own / "checkpoint-500" / "unet").mkdir(parents=True)
    (own / "checkpoint-500" / "optimizer.bin").write_bytes(b"\x80\x02")
    (own / "checkpoint-500" / "model.safetensors").write_bytes(b"half")
    (own / "v1-5-pruned.ckpt").write_bytes(b"\x80\x02")
    find(str(own)).check()
    assert find(str(own)).identity(digests, None) == before


def test_a_single_file_can_borrow_its_configuration(tmp_path):
    file = single_file(tmp_path / "m.safetensors", "anything")
    model = find(str(file), config=str(folder(tmp_path / "config")))
    assert (model.file, model.name, model.pipeline) == (file, str(file), "StableDiffusionPipeline")


@pytest.mark.parametrize("name", ["nothing", "a/b/c", "missing.safetensors", "./here"])
def test_what_is_no_model_is_refused_with_what_there_could_be(name):
    with pytest.raises(StudyError, match="Write 'emoji', a model folder"):
        find(name)


def test_other_wrong_models_say_what_is_wrong(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(StudyError, match=r"holds no model_index\.json"):
        find(str(tmp_path / "empty"))
    (tmp_path / "model.ckpt").write_bytes(b"\x80\x02")
    with pytest.raises(StudyError, match="is a pickle, which can run code"):
        find(str(tmp_path / "model.ckpt"))
    with pytest.raises(StudyError, match="holds no model of a known kind"):
        find(str(single_file(tmp_path / "vae.safetensors", "decoder.conv_in.weight")))
    (tmp_path / "empty" / "model_index.json").write_text("{")
    with pytest.raises(EngineError, match="this is no JSON"):
        find(str(tmp_path / "empty"))


def test_identity_is_the_content_of_every_file_that_matters(tmp_path):
    digests = Digests(tmp_path / "digests.json")
    one, two = folder(tmp_path / "one"), folder(tmp_path / "two")
    assert find(str(one)).identity(digests, None) == find(str(two)).identity(digests, None)
    (two / "unet" / "config.json").write_text("{}")
    assert find(str(one)).identity(digests, None) != find(str(two)).identity(digests, None)


def test_a_large_file_is_read_once_and_again_when_it_changes(tmp_path):
    file, cache = tmp_path / "weights.safetensors", tmp_path / "digests.json"
    file.write_bytes(b"a" * (2**20 + 1))
    first = Digests(cache).of(file)
    kept = json.loads(cache.read_text())
    assert kept[str(file)][2] == first
    kept[str(file)][2] = "from the cache"
    cache.write_text(json.dumps(kept))
    assert Digests(cache).of(file) == "from the cache"
    file.write_bytes(b"b" * (2**20 + 2))
    assert Digests(cache).of(file) not in (first, "from the cache")


@pytest.mark.parametrize("damage", ["", "[]", "{", '{"x": 3}', "\x00"])
def test_a_damaged_cache_costs_time_and_nothing_else(tmp_path, damage):
    (tmp_path / "digests.json").write_text(damage)
    (tmp_path / "file").write_bytes(b"abc")
    assert Digests(tmp_path / "digests.json").of(tmp_path / "file").startswith("ba7816bf")


def on_hub(tmp_path, code, *arguments, **environment):
    """Runs code in a process of its own: huggingface_hub reads its address when it is imported."""
    preamble = "import sys; from teststrip.diffusion.models import find, fetch\nfrom teststrip.errors import *\n"
    clean = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    env = clean | {"HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_XET": "1"} | environment
    done = subprocess.run(
        [sys.executable, "-c", preamble + code, *arguments], capture_output=True, text=True, check=False, env=env
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


SHOW = "m = find(sys.argv[1], sys.argv[2] or None); print(m.commit, m.pipeline, m.config('unet', 'time_cond_proj_dim'))"


def test_a_hub_name_becomes_the_commit_of_its_branch_and_stays_known_offline(tmp_path):
    with serving() as hub:
        hub.repos["someone/model", FIRST] = folder(tmp_path / "first")
        hub.repos["someone/model", SECOND] = folder(tmp_path / "second", _class_name="StableDiffusionXLPipeline")
        hub.branches["someone/model", "main"] = FIRST
        assert on_hub(tmp_path, SHOW, "someone/model", "", HF_ENDPOINT=hub.address) == (
            f"{FIRST} StableDiffusionPipeline 256"
        )
        assert not [path for path in hub.asked if path.endswith(".safetensors")]  # a plan fetches no weights
        hub.branches["someone/model", "main"] = SECOND
        assert on_hub(tmp_path, SHOW, "someone/model", "", HF_ENDPOINT=hub.address).startswith(SECOND)
        assert on_hub(tmp_path, SHOW, "someone/model", FIRST, HF_ENDPOINT=hub.address).startswith(FIRST)
    offline = on_hub(tmp_path, SHOW, "someone/model", FIRST, HF_HUB_OFFLINE="1")
    assert offline == f"{FIRST} StableDiffusionPipeline 256"


REFUSED = "http://127.0.0.1:9"
"""An address on which nothing listens: each connection is refused at once."""


def test_a_model_that_is_whole_on_the_disk_asks_no_network_for_anything(tmp_path):
    with serving() as hub:
        hub.repos["someone/model", FIRST] = folder(tmp_path / "first")
        hub.branches["someone/model", "main"] = FIRST
        get = "from huggingface_hub import snapshot_download; snapshot_download('someone/model')\n"
        on_hub(tmp_path, get, HF_ENDPOINT=hub.address)
        asked = len(hub.asked)
        hub.branches["someone/model", "main"] = SECOND
        load = (
            SHOW + "; print(fetch(m, None).name, m.config('vae', 'scaling_factor'), m.identity(None, None)['commit'])"
        )
        for address in (hub.address, REFUSED):
            said = on_hub(tmp_path, load, "someone/model", "", HF_ENDPOINT=address)
            assert said.split() == [FIRST, "StableDiffusionPipeline", "256", FIRST, "None", FIRST]
        assert len(hub.asked) == asked


EACH_FILE_GONE = """
import pathlib
home = pathlib.Path(sys.argv[2])
for name in sorted(path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()):
    kept = (home / name).rename(home.parent / "aside")
    try:
        fetch(find(sys.argv[1]), None)
        print(name, (home / name).is_file())
    except TeststripError as error:
        print(name, type(error).__name__, error)
    kept.replace(home / name)
"""


def test_a_model_that_is_half_on_the_disk_is_fetched_or_one_sentence_says_how(tmp_path):
    whole = folder(tmp_path / "first")
    with serving() as hub:
        hub.repos["someone/model", FIRST] = whole
        hub.branches["someone/model", "main"] = FIRST
        get = "from huggingface_hub import snapshot_download; snapshot_download('someone/model')\n"
        on_hub(tmp_path, get, HF_ENDPOINT=hub.address)
        home = tmp_path / "hf/hub/models--someone--model/snapshots" / FIRST
        refused = on_hub(tmp_path, EACH_FILE_GONE, "someone/model", str(home), HF_ENDPOINT=REFUSED).splitlines()
        fetched = on_hub(tmp_path, EACH_FILE_GONE, "someone/model", str(home), HF_ENDPOINT=hub.address).splitlines()
    assert len(refused) == len(fetched) == 4
    for said in refused:
        assert said.split()[1:3] == ["EngineError", "model:"], said
        assert f"hf download someone/model --revision {FIRST}" in said
    assert [line.split()[1] for line in fetched] == ["True"] * 4, fetched


def test_a_hub_that_cannot_be_reached_or_lacks_the_model_is_told_apart(tmp_path):
    tell = "try: find(sys.argv[1], sys.argv[2] or None)\nexcept TeststripError as e: print(type(e).__name__, e)"
    offline = on_hub(tmp_path, tell, "someone/model", "", HF_HUB_OFFLINE="1")
    refused = on_hub(tmp_path, tell, "someone/model", "", HF_ENDPOINT=REFUSED)
    assert refused.replace("ConnectError", "OfflineModeIsEnabled") == offline
    assert offline.startswith("EngineError model: 'someone/model' is not here, and the Hugging Face Hub cannot be")
    assert "hf download someone/model" in offline
    with serving() as hub:
        hub.repos["someone/model", FIRST] = folder(tmp_path / "first")
        hub.branches["someone/model", "main"] = FIRST
        unknown = on_hub(tmp_path, tell, "someone/other", "", HF_ENDPOINT=hub.address)
        assert unknown.startswith("StudyError model: the Hugging Face Hub shows no 'someone/other'")
        branch = on_hub(tmp_path, tell, "someone/model", "v9", HF_ENDPOINT=hub.address)
        assert branch == "StudyError revision: 'someone/model' has no 'v9' on the Hugging Face Hub"
