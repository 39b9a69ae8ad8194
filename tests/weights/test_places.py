"""One decision for every kind of model: embedded, a folder, a file, or a name on the hub."""

import pytest

from teststrip.diffusion import models
from teststrip.errors import EngineError
from teststrip.weights import hub, loading, places


@pytest.mark.parametrize(
    ("name", "marker", "kind"),
    [
        ("emoji", "model_index.json", "embedded"),
        ("emoji", "config.json", "nowhere"),
        ("emoji-scorer", "config.json", "embedded"),
        ("emoji/vae", "config.json", "hub"),
        ("../models/emoji", "model_index.json", "nowhere"),
        ("owner/name", "config.json", "hub"),
        ("owner/name.safetensors", "config.json", "nowhere"),
        ("a/b/c", "config.json", "nowhere"),
        ("/no/where", "config.json", "nowhere"),
        ("~/nowhere", "config.json", "nowhere"),
        ("", "config.json", "folder"),
    ],
)
def test_a_name_leads_to_one_place(name, marker, kind):
    assert places.place(name, marker).kind == kind


def test_what_lies_on_this_disk_comes_before_the_hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "owner" / "name").mkdir(parents=True)
    (tmp_path / "owner" / "file").write_text("")
    assert [places.place(name, "x").kind for name in ("owner/name", "owner/file")] == ["folder", "file"]


def test_where_nothing_may_be_fetched_neither_kind_of_model_asks_the_hub():
    with hub.nothing_fetched():
        with pytest.raises(loading.MissingWeights, match="is not on this disk"):
            loading.find("owner/name")
        with pytest.raises(EngineError, match="hf download owner/name"):
            models.find("owner/name")
    assert hub.may_fetch()


@pytest.mark.parametrize("name", ["emoji", "emoji-scorer"])
def test_embedded_models_lie_in_the_package(name):
    assert (places.MODELS / name).is_dir()
