"""Dated tables of models, the user's own configuration, and keys: read strictly, and a key is nowhere in them."""

from __future__ import annotations

import base64
from datetime import date
from pathlib import Path

import pytest

from teststrip.errors import EngineError, StudyError
from teststrip.hosted import configuration, keys, models

TODAY = date(2026, 11, 28)


@pytest.mark.parametrize("name", ["dall-e-2", "dall-e-3", "gpt-image-1"])
def test_a_retired_model_is_an_error_with_its_date_and_successor(name: str) -> None:
    with pytest.raises(StudyError, match=r"was shut down on \d+ \w+ 2026\. Its successor is 'gpt-image-2\.5-"):
        models.table("openai").find(name, TODAY)


def test_a_model_is_asked_until_the_day_on_which_it_is_shut_down() -> None:
    known = models.table("openai")
    assert known.find("gpt-image-1.5", date(2026, 11, 30)).name == "gpt-image-1.5"
    with pytest.raises(StudyError, match="was shut down on 1 December 2026"):
        known.find("gpt-image-1.5", date(2026, 12, 1))


def test_a_shut_down_within_ninety_days_is_told_before() -> None:
    model = models.table("openai").models["gpt-image-1.5"]
    assert "is shut down on 1 December 2026; its successor is" in model.leaving(TODAY)
    assert model.leaving(date(2026, 8, 1)) == ""
    assert models.table("openai").models["gpt-image-2"].leaving(TODAY) == ""


def test_an_unknown_model_is_an_error_that_names_the_nearest_and_no_retired_one() -> None:
    with pytest.raises(StudyError) as refused:
        models.table("openai").find("gpt-image-22", TODAY)
    assert "Did you mean 'gpt-image-2'?" in str(refused.value)
    assert "dall-e" not in str(refused.value)


def test_every_entry_of_the_shipped_table_is_dated_sourced_and_priced_or_gone() -> None:
    for name, model in models.table("openai").models.items():
        assert model.source, name
        assert model.retired(TODAY) or (model.rates and (model.factors or model.pictures)), name
        if model.off:
            assert model.successor in models.table("openai").models


def test_a_table_is_old_after_ninety_days() -> None:
    known = models.table("openai")
    assert not known.old(TODAY)
    assert known.old(date(2027, 3, 1))


def test_the_user_s_own_table_adds_and_replaces() -> None:
    own = {"gpt-image-3": {"like": "gpt-image-2", "off": date(2028, 1, 1)}, "dall-e-3": {"rates": {"image_out": 1}}}
    known = models.table("openai", own)
    assert known.find("gpt-image-3", TODAY).factors == known.models["gpt-image-2"].factors
    assert known.find("dall-e-3", TODAY).rates == {"image_out": 1.0}


@pytest.mark.parametrize(
    "entry",
    [
        {"rate": {}},
        {"off": "soon"},
        {"rates": {"image_out": -1}},
        {"rates": {"image_out": "dear"}},
        {"like": "nothing"},
        "a text",
    ],
)
def test_a_wrong_entry_of_the_user_is_an_error_with_its_model(entry: object) -> None:
    with pytest.raises(EngineError, match="model 'mine'"):
        models.table("openai", {"mine": entry})


@pytest.fixture
def file(tmp_path: Path):
    def write(text: str) -> configuration.Configuration:
        path = tmp_path / "config.toml"
        path.write_text(text, encoding="utf-8")
        return configuration.read({configuration.VARIABLE: str(path)})

    return write


def test_without_a_file_there_are_no_servers(tmp_path: Path) -> None:
    none = configuration.read({"XDG_CONFIG_HOME": str(tmp_path)})
    with pytest.raises(EngineError, match=r"provider: 'studio' is unknown.*\[providers.studio\]"):
        none.provider("studio")


def test_a_server_is_found_by_what_a_person_writes(file) -> None:
    allowed = "allow_http = true\nallow_private = true\n"
    found = file(f'[providers.lan]\nbase_url = "http://192.168.1.20:8188/"\nkey = "env:K"\n{allowed}')
    for written in ("lan", "http://192.168.1.20:8188", "http://192.168.1.20:8188/"):
        assert (found.at(written).name, found.at(written).key) == ("lan", "env:K"), written
    assert found.at("http://10.0.0.9:7860/").base_url == "http://10.0.0.9:7860"
    with pytest.raises(EngineError, match=r"'10.0.0.9:7860' is no address of a server. Write http://10.0.0.9:7860"):
        found.at("10.0.0.9:7860")
    with pytest.raises(EngineError, match="'studio' is unknown"):
        found.at("studio")


def test_a_server_is_read_whole(file) -> None:
    found = file(
        '[providers.studio]\nbase_url = "http://127.0.0.1:8000/v1"\nkey = "env:K"\nprice = "0.02 USD"\n'
    ).provider("studio")
    assert (found.base_url, found.key) == ("http://127.0.0.1:8000/v1", "env:K")
    assert (found.price.amount, found.price.currency) == (0.02, "USD")


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ('base_ulr = "x"', "Did you mean 'base_url'"),
        ("base_url = 7", "text in quotes"),
        ('key = "env:K"', "base_url is missing"),
        ('base_url = "https://h/v1"\nprice = "cheap"', "an amount and a currency"),
        ('base_url = "https://h/v1"\nprice = "4s"', "an amount and a currency"),
        ('base_url = "http://10.0.0.1/v1"', "without encryption"),
        ('base_url = "https://10.0.0.1/v1"', "allow_private = true"),
        ('base_url = "https://h/v1"\nallow_private = "yes"', "true or false"),
    ],
)
def test_a_wrong_server_is_an_error_with_its_place(file, entry: str, said: str) -> None:
    with pytest.raises(EngineError, match=r"config\.toml: providers\.s: ") as refused:
        file(f"[providers.s]\n{entry}\n").provider("s")
    assert said in str(refused.value)


@pytest.mark.parametrize("text", ["[provider.s]\n", "providers = 7\n", "not toml", "[servers\n"])
def test_a_wrong_file_is_an_error_with_its_path(file, text: str) -> None:
    with pytest.raises(EngineError, match=r"config\.toml"):
        file(text)


def test_a_key_is_a_reference_and_is_never_repeated() -> None:
    assert keys.key("env:K", environment={"K": " s3cret\n"}) == "s3cret"
    assert keys.key("") == ""
    for wrong in ("sk-canary-7Q2key-1234567", "env:", "keyring:service", "env:NOT_SET"):
        with pytest.raises(EngineError) as refused:
            keys.key(wrong, environment={"K": "s3cret"})
        assert "canary" not in str(refused.value)


@pytest.mark.parametrize("odd", ["canary\nkey", "canary key", "canary\x00", "canärykey"])
def test_a_key_that_fits_into_no_header_is_refused_and_not_repeated(odd: str) -> None:
    with pytest.raises(EngineError, match="holds no key") as refused:
        keys.key("env:K", environment={"K": odd})
    assert "can" not in str(refused.value).replace("characters", "")


def test_an_echoed_key_is_taken_out_of_messages() -> None:
    basic = "Basic " + base64.b64encode(b"user:canary-7Q2key").decode()
    for echo in (
        "sk-proj-********abcd",
        "sk-canary-7Q2key",
        "AIzaSy***xyz",
        "Bearer abc.def-ghi=",
        basic,
        "Basic ab**c=",
    ):
        assert keys.redacted(f"wrong key {echo}, see docs", "") == "wrong key [key], see docs"
    assert keys.redacted("key plain-text here", "plain-text") == "key [key] here"
    words = "Basic Authentication is needed, or basic authorisation"
    assert keys.redacted(words, "") == words
