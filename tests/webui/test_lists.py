"""Names of a web UI: each finds itself and nothing else, and a value that is not there is never guessed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teststrip.errors import EngineError
from teststrip.vocabulary import NO_SAMPLERS, SAMPLER_NAMES, SAMPLERS, plainly, sampler_named
from teststrip.webui.lists import Checkpoint, Lists, Named, Unknown, stem
from teststrip.webui.reading import read

NAMES = st.sets(
    st.sampled_from(sorted({*SAMPLERS.values(), *SAMPLER_NAMES, *NO_SAMPLERS, "Restart 2", "My sampler"})), min_size=1
)


def lists(samplers: Any, schedules: Any = None) -> Lists:
    return Lists([Checkpoint("m", frozenset({"m"}))], [Named(name) for name in samplers], schedules)


@given(NAMES)
def test_every_sampler_of_a_server_finds_itself(names: set[str]) -> None:
    found = lists(sorted(names))
    for name in names:
        assert found.sampler(name) == (Named(name), "")


@given(NAMES, st.sampled_from(sorted(SAMPLER_NAMES)))
def test_a_word_of_another_tool_finds_a_sampler_that_means_the_same_or_none(names: set[str], word: str) -> None:
    try:
        sampler, held = lists(sorted(names)).sampler(word)
    except Unknown:
        return
    assert held == ""
    assert plainly(sampler.name) == plainly(word) or sampler_named(sampler.name) == sampler_named(word)


@given(NAMES, st.text(max_size=20))
def test_any_text_finds_what_the_server_calls_so_or_is_told(names: set[str], word: str) -> None:
    found = lists(sorted(names), [Named("Karras")])
    if any(plainly(word) == plainly(name) for name in names):
        assert plainly(found.sampler(word)[0].name) == plainly(word)
    elif sampler_named(word) is None and word not in SAMPLERS:
        with pytest.raises(Unknown, match="the server has no sampler"):
            found.sampler(word)


def test_two_schedules_that_diffusers_says_by_one_option_stay_two() -> None:
    found = lists(["Euler"], [Named("SGM Uniform", ("sgm_uniform",)), Named("Simple", ("simple",))])
    assert (found.schedule("sgm_uniform").name, found.schedule("simple").name) == ("SGM Uniform", "Simple")
    with pytest.raises(Unknown, match="the server has no 'trailing'"):
        found.schedule("trailing")


def test_a_name_that_may_be_two_models_is_refused() -> None:
    two = [Checkpoint("a/m.safetensors", frozenset({"m"})), Checkpoint("b/m.safetensors", frozenset({"m"}))]
    found = Lists(two, [Named("Euler")])
    with pytest.raises(Unknown, match=r"may be several on this server: a/m\.safetensors, b/m\.safetensors"):
        found.model("m")
    assert found.model("b/m.safetensors") is two[1]


@pytest.mark.parametrize(
    ("name", "plain"),
    [("a/B.ckpt", "b"), ("a\\b.safetensors [0a1b]", "b"), ("v1.5", "v1.5"), ("", ""), ("x.gguf", "x")],
)
def test_a_model_is_compared_by_the_stem_of_its_file(name: str, plain: str) -> None:
    assert stem(name) == plain


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["name", "title", "aliases", "hash"]), inner)
    ),
    max_leaves=12,
)


class Odd:
    """A server that answers anything."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def get(self, path: str) -> Any:
        return self.answer


@given(JSON)
def test_whatever_a_server_answers_is_a_list_or_an_error_that_says_so(answer: Any) -> None:
    try:
        found = read(Odd(answer))
    except EngineError:
        return
    assert found.models
    assert isinstance(found.program, str)


FILES = st.lists(
    st.sampled_from(["kl-f8.ckpt", "kl-f8.safetensors", "KL-F8.pt", "kl_f8.ckpt", "soft.pt", "soft"]),
    min_size=1,
    unique=True,
)


@given(FILES)
def test_every_file_of_a_server_finds_itself_in_any_order_of_the_list(names: list[str]) -> None:
    found = Lists(
        [Checkpoint(name, frozenset({stem(name)})) for name in names],
        [Named("Euler")],
        vaes=[Named(name) for name in names],
        upscalers=[Named(name) for name in names],
    )
    for name in names:
        assert found.vae(name).name == found.model(name).title == found.upscaler(name).name == name
        loaded = Lists(found.models, found.samplers, options={"sd_model_checkpoint": name}).loaded
        assert loaded is not None
        assert loaded.title == name
    for word in ("kl-f8", "soft.ckpt"):
        alike = [name for name in names if stem(name) == stem(word) and not (name == "soft.pt" and "." in word)]
        for find in (found.vae, found.model):
            if len(alike) == 1:
                assert str(getattr(find(word), "name", "") or getattr(find(word), "title", "")) == alike[0]
            else:
                with pytest.raises(Unknown, match="may be several" if alike else "the server has no"):
                    find(word)


def test_names_that_differ_in_their_spelling_alone_stay_two() -> None:
    found = lists(["Euler a", "euler_a"])
    assert found.sampler("euler_a")[0].is_called("euler_a")
    assert not found.sampler("euler_a")[0].is_called("Euler a")
    with pytest.raises(Unknown, match="scheduler: 'EULER A' may be several on this server: Euler a, euler_a"):
        found.sampler("EULER A")
