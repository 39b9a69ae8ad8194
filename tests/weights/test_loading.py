"""Weights are found by name, folder or hub id, loaded whole or not at all, and told apart by their contents."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from teststrip.errors import MissingWeights
from teststrip.weights import hub as hubs
from teststrip.weights import loading as weights

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    from tests import tiny_vision

    return tiny_vision.clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def copy(clip, tmp_path):
    return Path(shutil.copytree(clip, tmp_path / "copy"))


def complaint(model, revision=None):
    with pytest.raises(MissingWeights) as caught:
        weights.find(model, revision)
    return str(caught.value)


def test_no_model_is_no_model():
    assert complaint(None) == complaint("") == "no model is named. Give `model` a folder or a hub id"


@pytest.mark.parametrize("path", ["./nowhere", "/no/where", "~/no where", "a/b/c", "nowhere"])
def test_a_folder_that_is_not_there_is_named(path):
    assert complaint(path).startswith(f"there is no folder {path!r}.")


def test_a_hub_id_that_cannot_be_reached_says_how_to_fetch_it():
    said = complaint("nobody/has-this-model-here")
    assert "hf download nobody/has-this-model-here" in said
    assert "\n" not in said


def test_a_folder_without_a_model_is_refused(tmp_path):
    assert "no config.json" in complaint(str(tmp_path))


def test_pickled_weights_are_refused(copy):
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    assert "Pickled weights are not loaded" in complaint(str(copy))


def test_the_same_files_elsewhere_are_the_same_weights(clip, tmp_path):
    elsewhere = shutil.copytree(clip, tmp_path / Path(clip).name)
    assert weights.find(str(clip)).facts == weights.find(str(elsewhere)).facts


@pytest.mark.parametrize("changed", ["model.safetensors", "preprocessor_config.json", "tokenizer.json", "config.json"])
def test_any_file_that_can_change_a_number_changes_the_fingerprint(copy, changed):
    before = weights.find(str(copy)).facts
    with (copy / changed).open("ab") as file:
        file.write(b" ")
    assert weights.find(str(copy)).facts != before


def test_a_readme_beside_the_weights_changes_nothing(copy):
    before = weights.find(str(copy)).facts
    (copy / "README.md").write_text("hello")
    assert weights.find(str(copy)).facts == before


ASKED_OF_THE_HUB = f"""
from teststrip.weights import hub
from teststrip.weights import loading as weights

found = weights.find("owner/name")
assert found.facts == {{"model": "owner/name", "commit": "{COMMIT}"}}, found
assert not found.embedded
with hub.nothing_fetched():
    assert weights.find("owner/name") == found
    assert weights.find("owner/name", "{COMMIT}") == found
"""


def test_a_hub_model_that_was_fetched_is_known_by_its_commit(clip, tmp_path):
    repository = tmp_path / "models--owner--name"
    shutil.copytree(clip, repository / "snapshots" / COMMIT)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    # The hub's library reads the place of its cache once, when it is imported: so a process of its own.
    environment = {**os.environ, "HF_HUB_CACHE": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", ASKED_OF_THE_HUB], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_whoever_reads_results_fetches_nothing():
    with hubs.nothing_fetched():
        assert complaint("owner/other") == "'owner/other' is not on this disk. `teststrip run` fetches it"
    assert "hf download" in complaint("owner/other")


def test_an_incomplete_model_is_refused_instead_of_filled_with_noise(copy):
    from safetensors.torch import load_file, save_file
    from transformers import AutoModel

    tensors = load_file(copy / "model.safetensors")
    del tensors["visual_projection.weight"]
    save_file(tensors, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(MissingWeights, match=r"lacks 1 of the tensors of a CLIPModel \(visual_projection.weight"):
        weights.load(AutoModel, weights.find(str(copy)), "cpu")


def test_a_model_of_another_kind_is_refused(clip):
    from transformers import AutoModelForImageTextToText

    with pytest.raises(MissingWeights, match="cannot be loaded"):
        weights.load(AutoModelForImageTextToText, weights.find(str(clip)), "cpu")


def test_damaged_weights_are_refused(copy):
    from transformers import AutoModel

    path = copy / "model.safetensors"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(MissingWeights, match="cannot be loaded"):
        weights.load(AutoModel, weights.find(str(copy)), "cpu")


def test_loading_draws_no_bars_and_leaves_the_setting_as_it_was(clip, capfd):
    from transformers import AutoModel
    from transformers.utils import logging

    before = logging.is_progress_bar_enabled(), logging.get_verbosity()
    weights.load(AutoModel, weights.find(str(clip)), "cpu")
    assert capfd.readouterr() == ("", "")
    assert (logging.is_progress_bar_enabled(), logging.get_verbosity()) == before
