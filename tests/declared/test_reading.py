"""A declaration is read whole or refused with where, what and remedy; places and paths paste nothing unescaped."""

from __future__ import annotations

import json
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.declared.services import SERVICES

from teststrip.declared import paths, places, reading
from teststrip.declared.hosts import Hosts
from teststrip.declared.service import SeedRange
from teststrip.errors import EngineError
from teststrip.hosted.configuration import Configuration
from teststrip.records import Price

LEAST = """
base_url = "https://api.example.com/v1"
[submit]
path = "/draw"
json = { prompt = "{prompt}" }
[answer]
picture = "image"
"""


def declared(more: str = "", least: str = LEAST) -> Any:
    """A service by the least declaration and a few lines before or in the place of its own."""
    return reading.read("mine", tomllib.loads(more + least))


def test_the_least_declaration_is_enough() -> None:
    service = declared()
    assert (service.key, service.seed.gives, service.poll, service.bill.of({})) == ("", "none", None, None)


WRONG = {
    'services.mine: unknown key "base"': ('base = "x"\n', "unknown key 'base'. Did you mean 'base_url'"),
    "no address": ("", r"services\.mine\.base_url: is missing"),
    "http": ('base_url = "http://api.example.com"\n', "without encryption"),
    "private": ('base_url = "https://10.0.0.1"\n', "allow_private = true"),
    "a host": ('hosts = ["*.com"]\n', r"services\.mine\.hosts: '\*\.com' is no host"),
    "all hosts": ('hosts = ["*"]\n', "is no host"),
    "a key header": ('key_header = "x-key"\n', "a header with the place {key}"),
    "a price": ("price = 5\n", "an amount and a currency"),
    "a seed": ('seed = "perhaps"\n', r"services\.mine\.seed: 'perhaps' is unknown"),
    "an unsent seed": ('seed = "exact"\n', "sends no seed"),
    "an unsent setting": ("settings.steps = {}\n", r"settings\.steps: is sent by no step"),
    "a setting's name": ("settings.Steps = {}\n", "cannot be the name of a setting"),
    "a setting of ours": ("settings.seed = {}\n", "cannot be the name of a setting"),
    "a kind": ('settings.steps = { kind = "number" }\n', "'number' is unknown"),
    "bounds": ('settings.steps = { kind = "int", low = 5, high = 1 }\n', "5 is above high, 1"),
    "bounds of a text": ("settings.steps = { low = 5 }\n", "a str has no bounds"),
    "a default": ('settings.steps = { kind = "int", low = 5, default = 1 }\n', "1 is none of the values"),
    "a default's kind": ('settings.steps = { kind = "int", default = 1.5 }\n', "1.5 is no int"),
    "a result without poll": ('[result]\naddress = "x"\n', "needs a poll step before it"),
    "a poll without a name": ('[poll]\npath = "/status"\n', "asks after no request"),
    "an id that is not read": ('[poll]\npath = "/status/{id}"\n', r"answer\.id: is missing"),
    "states without a path": ('[states]\ndone = ["ok"]\n', r"states\.path: is missing"),
    "a word twice": ('[states]\npath = "s"\ndone = ["ok"]\nfailed = ["ok"]\n', "'ok' is named twice"),
    "a pattern": ('[[refused]]\nmatches = "("\n', r"refused\[1\]\.matches: is no regular expression"),
    "a quote without price": ('[quote]\npath = "/q"\ncost = "c"\n', "needs price beside it"),
    "a path and an address": ('[poll]\npath = "/x"\naddress = "y"\n', "has either a path below base_url"),
    "a path of an answer": ('[poll]\naddress = "a..b"\n', "is no path"),
    "an unknown place": (
        '[quote]\npath = "/{promt}"\ncost = "c"\n',
        "place {promt} is no setting. Did you mean 'prompt'",
    ),
    "a key in a header": ('[quote]\npath = "/q"\nheaders = { Authorization = "x" }\n', "named by key"),
    "a place in a header": ('[quote]\npath = "/q"\nheaders = { x-p = "{prompt}" }\n', "settings go into the body"),
    "a form of tables": ('[quote]\npath = "/q"\nform = { a = { b = 1 } }\n', "a part of a form"),
    "a date": ('[quote]\npath = "/q"\njson = { a = 2026-01-01 }\n', "cannot be sent as JSON"),
    "no number": ('[quote]\npath = "/q"\njson = { a = [nan] }\n', "cannot be sent as JSON"),
    "a table that is none": ('poll = "x"\n', r"services\.mine\.poll: must be a table"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_declaration_says_where_what_and_what_to_do(name: str) -> None:
    text, told = WRONG[name]
    head, _, tables = LEAST.partition("[submit]")
    top = [line for line in text.splitlines() if not line.startswith("[")]
    inside = text[text.index("[") :] if text.startswith("[") else ""
    own = "\n".join(top) if not inside else ""
    if name == "no address" or own.startswith("base_url"):
        head = ""
    with pytest.raises(EngineError, match=told):
        reading.read("mine", tomllib.loads(f"{own}\n{head}\n[submit]{tables}\n{inside}"))


def test_an_error_names_the_file(tmp_path: Path) -> None:
    configuration = Configuration(tmp_path / "c.toml", services={"mine": {"base_url": 5}})
    with pytest.raises(EngineError, match=r"c\.toml: services\.mine"):
        reading.find(configuration, "mine")


LEAVES = st.one_of(st.none(), st.integers(), st.text(), st.booleans())
ANY = st.recursive(LEAVES, lambda one: st.one_of(st.lists(one), st.dictionaries(st.text(), one)), max_leaves=6)
KEYS = ("base_url", "hosts", "price", "seed", "settings", "submit", "poll", "answer", "states", "refused", "quote")


@given(ANY)
def test_no_declaration_whatever_it_holds_ends_in_another_error(value: Any) -> None:
    for key in KEYS:
        with suppress(EngineError):
            reading.read("mine", {**tomllib.loads(LEAST), key: value})


TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.one_of(TEXTS, st.integers(-(2**60), 2**60), st.floats(allow_nan=False, allow_infinity=False), st.booleans())


@given(VALUES, TEXTS)
def test_a_place_keeps_its_value_and_its_kind_and_text_stays_text(value: Any, prompt: str) -> None:
    template = {"a": "{a}", "b": [1, "{a}"], "c": "say {prompt}!", "d": {"e": "{gone}"}, "f": "{gone} x", "g": True}
    filled = places.fill(template, {"a": value, "prompt": prompt, "gone": None})
    assert isinstance(filled, dict)
    assert json.loads(json.dumps(filled)) == {"a": value, "b": [1, value], "c": f"say {prompt}!", "g": True}
    assert type(filled["a"]) is type(value)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_no_value_leads_an_address_elsewhere(value: str) -> None:
    try:
        found = places.address("/v1/{a}/end", {"a": value})
    except ValueError:
        assert value in (".", "..")
        return
    parts = urlsplit(f"https://api.example.com{found}")
    assert (parts.hostname, parts.query, parts.fragment) == ("api.example.com", "", "")
    assert [unquote(part) for part in parts.path.split("/")] == ["", "v1", value, "end"]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=4))
def test_a_value_that_keeps_its_slashes_never_climbs(parts: list[str]) -> None:
    value = "/".join(parts)
    try:
        found = places.address("/v1/{+a}", {"a": value})
    except ValueError:
        assert set(value.split("/")) & {"", ".", ".."}
        return
    assert unquote(found) == f"/v1/{value}"
    assert not {"", ".", ".."} & set(found.split("/")[2:])
    assert "?" not in found
    assert "#" not in found


JSONS = st.recursive(VALUES, lambda one: st.one_of(st.lists(one, max_size=3), st.dictionaries(TEXTS, one, max_size=3)))


@given(JSONS, st.text("ab01.", max_size=6))
def test_a_path_into_any_answer_gives_what_is_there_or_nothing(data: Any, path: str) -> None:
    paths.read(data, [path])
    assert isinstance(paths.text(data, [path]), str)


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32), st.integers(0, 2**32))
def test_a_seed_that_is_sent_is_one_that_the_service_takes(seed: int, one: int, other: int) -> None:
    low, high = sorted((one, other))
    sent = SeedRange("best effort", low, high).of(seed)
    assert low <= sent <= high
    assert SeedRange("best effort", 0, 2**32 - 1).of(seed) == seed


HOSTS = 'hosts = ["cdn.example.com", "*.files.example.com", "big.example.com:8443"]\n'
ADDRESSES = {
    "https://api.example.com/x?y=1": True,
    "https://cdn.example.com/x": True,
    "https://a.files.example.com/x": True,
    "https://a.b.files.example.com/x": True,
    "https://big.example.com:8443/x": True,
    "https://big.example.com/x": False,
    "https://files.example.com/x": False,
    "https://badfiles.example.com/x": False,
    "https://cdn.example.com:22/x": False,
    "https://cdn.example.com.evil.com/x": False,
    "https://cdn.example.com@evil.com/x": False,
    "https://evil.com/cdn.example.com": False,
    "https://evil.com\\@cdn.example.com/": False,
    "http://cdn.example.com/x": False,
    "https://127.0.0.1/x": False,
    "https://[::1]/x": False,
    "https://2130706433/x": False,
    "https://169.254.169.254/x": False,
    "file:///etc/passwd": False,
    "//cdn.example.com/x": False,
    "/x": False,
    "": False,
    "https://cdn.example.com/a b": False,
    "https://cdn.example.com:99999/": False,
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_that_an_answer_names_is_on_the_list_or_is_not_asked(address: str) -> None:
    hosts = Hosts(declared(HOSTS))
    if ADDRESSES[address]:
        assert hosts.judge(address) == address
        return
    with pytest.raises(EngineError):
        hosts.judge(address)


@pytest.mark.parametrize("value", [None, 5, ["https://cdn.example.com"], {}])
def test_what_is_no_address_is_none(value: object) -> None:
    with pytest.raises(EngineError, match="named an address that is none"):
        Hosts(declared(HOSTS)).judge(value)


def test_a_listed_name_that_leads_into_the_own_network_is_not_asked() -> None:
    with pytest.raises(EngineError, match="an address of your own network"):
        Hosts(declared('hosts = ["10.0.0.1"]\n')).resolve("10.0.0.1", 443)
    with pytest.raises(EngineError, match="not among the hosts"):
        Hosts(declared(HOSTS)).resolve("evil.com", 443)


def test_a_price_may_depend_on_a_setting() -> None:
    more = 'price = { by = "model", small = "0.01 USD", large = "0.05 USD" }\nsettings.model = {}\n'
    service = declared(more, LEAST.replace('"{prompt}"', '"{prompt}", model = "{model}"'))
    assert service.bill.of({"model": "large"}) == Price(0.05, "USD")
    assert service.bill.of({"model": "other"}) is None
    with pytest.raises(EngineError, match="in one currency"):
        declared(more.replace("0.05 USD", "0.05 EUR"), LEAST.replace('"{prompt}"', '"{prompt}", model = "{model}"'))


@pytest.mark.parametrize("kind", SERVICES)
def test_every_documented_declaration_is_read_as_it_stands(kind: Any) -> None:
    text = (Path(__file__).parents[2] / "docs" / "services.md").read_text(encoding="utf-8")
    block = next(part for part in text.split("```toml\n")[1:] if part.startswith(f"[services.{kind.name}]"))
    table = tomllib.loads(block.partition("```")[0])["services"][kind.name]
    service = reading.read(kind.name, table)
    assert service.bill.currency == "USD"
