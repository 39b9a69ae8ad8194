"""The six systems that the first study weighed, in one: local services, tiny models of the real classes, an import."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import tiny_imagen
from tests.hosted import google_service, openai_service
from tests.hosted.google_service import GoogleService
from tests.hosted.openai_service import OpenAIService
from tests.imports.folders import USER, digests, midjourney
from teststrip import study as studies
from teststrip.hosted import configuration
from teststrip.store import Store
from teststrip.testing import canaries
from teststrip.verbs import forecast, importing
from teststrip.verbs.account import spent
from teststrip.verbs.run import drive

EXAMPLE = Path(__file__).parents[1] / "examples" / "six_systems.toml"
SYSTEMS = ["diffusers", "gpt-image", "gemini", "imagen", "craiyon", "midjourney"]
PROMPTS = 6
"""So many of the example's prompts: the fewest for an interval over prompts."""
SIZE = "32x32"
METRICS = ("colourfulness",)


def test_the_example_names_each_system_with_a_sentence_and_a_limit() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    data = tomllib.loads(text)
    assert "?" in text.partition("\n")[0]
    assert data["axes"] == {"engine": SYSTEMS}
    assert set(data["engines"]) == set(SYSTEMS)
    assert data["budget"]["money"].endswith("USD")


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[OpenAIService, GoogleService]]:
    with OpenAIService() as first, GoogleService() as second:
        file = tmp_path / "config.toml"
        file.write_text(
            f'[providers.here]\nbase_url = "{first.url}"\nkey = "env:FIRST_KEY"\nprice = "0.01 USD"\n'
            f'[providers.there]\nbase_url = "{second.url}"\nkey = "env:SECOND_KEY"\nprice = "0.1 USD"\n'
        )
        monkeypatch.setenv(configuration.VARIABLE, str(file))
        monkeypatch.setenv("FIRST_KEY", openai_service.KEY)
        monkeypatch.setenv("SECOND_KEY", google_service.KEY)
        yield first, second


def reduced(folder: Path) -> dict[str, Any]:
    """The example with stand-ins: local services, tiny models, small pictures, fewer prompts and two replicates."""
    from tests import tiny_dalle
    from tests import tiny_pipelines as tiny

    data = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))
    data |= {"prompts": data["prompts"][:PROMPTS], "replicates": 2}
    own = data["engines"]
    own["diffusers"] |= {"model": str(tiny.save("sd15", folder / "sd15")), "num_inference_steps": 3}
    own["diffusers"] |= {"width": 32, "height": 32}
    own["gpt-image"] |= {"provider": "here", "size": SIZE}
    own["gemini"] |= {"provider": "there"}
    own["imagen"] |= {"model": str(tiny_imagen.model())}
    own["craiyon"] |= {"model": str(tiny_dalle.save(folder / "mini"))}
    data["question"] = {"metrics": list(METRICS)}
    return data


@pytest.mark.torch
@pytest.mark.process
def test_six_systems_stand_on_one_page_and_get_verdicts(
    tmp_path: Path, services: tuple[OpenAIService, GoogleService]
) -> None:
    tiny_imagen.needed()
    pytest.importorskip("openai")
    pytest.importorskip("google.genai")
    data = reduced(tmp_path / "models")
    source = midjourney(tmp_path / "downloads", tuple(data["prompts"]), stylizes=(100,))
    before = digests(source)
    with importing.carry_out(importing.prepare(source), tmp_path / "midjourney").result:
        pass
    file = tmp_path / "six.toml"
    file.write_text(studies.dump(studies.parse(data, place="six", folder=tmp_path)), encoding="utf-8")

    foretold = forecast.of(file, tmp_path / "s")
    assert any("(midjourney) takes no seed" in line for line in forecast.lines(foretold))
    (price,) = foretold.summary.price_left
    assert (price.amount, price.currency) == (pytest.approx(1.32), "USD"), "12 pictures at 0.01, 12 at 0.1"
    outcome = drive(file, tmp_path / "s", trackers=[])
    assert (outcome.made, outcome.failed, outcome.left) == (len(SYSTEMS) * PROMPTS * 2, 0, 0)
    with outcome.result as result:
        made = Counter(row.planned.cell["engine"] for row in result.rows() if row.image)
        assert made == dict.fromkeys(SYSTEMS, PROMPTS * 2)
        assert not result.paired_seeds
        assert not any(finding.paired for finding in result.findings)
        assert {finding.metric for finding in result.findings if finding.axis == "engine"} == set(METRICS)

    page = (tmp_path / "s" / "page" / "index.html").read_text(encoding="utf-8")
    report = (tmp_path / "s" / "report.md").read_text(encoding="utf-8")
    assert page
    for system in SYSTEMS:
        assert system in report
    with Store(tmp_path / "s") as store:
        assert store.verify() == []
        assert spent(store)["USD"] == pytest.approx(1.32)
    assert [len(service.requests) for service in services] == [PROMPTS * 2, PROMPTS * 2], "nothing was asked twice"
    assert digests(source) == before, "no download was touched"
    for name, content in canaries.files_in(tmp_path):
        if not name.startswith("downloads") and name != "config.toml":
            for secret in (openai_service.KEY, google_service.KEY, USER):
                assert secret.encode() not in content, name
