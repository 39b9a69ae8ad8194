"""What is known of a metric is said once, on its card; and no word on it is part of a metric's identity."""

from __future__ import annotations

import pytest

from teststrip import plugins
from teststrip import study as studies
from teststrip.records import Card, Study
from teststrip.results import scores

# Ids under which scores lie in folders of people: another id would have every picture scored again.
FINGERPRINTS = {
    "changed": "12a23369acb5b1f122b6ed8385b08afe25b9fb0b76ad47b5a6ad8f9ddf4f2525",
    "chroma": "917e4e626e208f5e59ec0db1660864659252c13a21ac7508695e8cbd923ab774",
    "clipped": "0577f16124c7e0a3fae32827b337dbe76f5df1d2596c5949c6c840864bd04ba4",
    "colourfulness": "2811147d9f90cfd0b0a4febaee3ef4527443bf71fec2dbfcfc4da066db50332e",
    "contrast": "a67f9e5fc083dee1d243e4dd399d831178dcae4e643586f880ebc43749ad7aae",
    "convergence": "0f773fc7db553b4e54a95597c49866d5687a260ca48364cd1755db3282b3227b",
    "convergence_ssim": "4df410f4efa6ea1d70335025271dcf18fe27d60a07871a5d11b27b8019ea679e",
    "denoiser_calls": "beca2cff0db8754cdd76dab675fed1bd05490040187ff3e5ae14c7466498aa49",
    "diversity": "26a3ac4edd3ded64a75a623723da2c64ce57ad071444f2008a2e59bba6423d51",
    "level": "d17fee4dc080cd814d1555f50ee845e9eda025a6f33ed0d7abb6bc9152b46e50",
    "psnr": "be841b996712ff903e1846e4c1cec9d70ad8d31d17c611cd4fcd9afbb4ff510b",
    "seconds": "e07db6377ce4ddfda3edd502428205941beb23559af2236fb77ec6c6e556c730",
    "sharpness": "732a12bf09cc9e6fae76ad42f2db8212e4e02b9af81aadc7dcb733d3b850c90e",
    "ssim": "2f972d70fde14b5690a8f90b07092670821d573e18f9180c929df2ceb4fa3e33",
    "vendi_score": "1b0e7da1fd747f08ae8dc962ea1fc8346839fb59bfc545adeb72b7f49edc92ca",
}


@pytest.mark.parametrize("name", FINGERPRINTS)
def test_scores_of_earlier_versions_are_still_those_of_the_same_metric(name: str) -> None:
    assert plugins.load("metrics", name)().fingerprint().id == FINGERPRINTS[name]


def study(**keys: object) -> Study:
    return studies.study(name="cards", engine={"name": "pattern"}, prompts=["an owl"], **keys)


def test_what_is_known_of_a_metric_depends_on_the_options_that_the_study_gives_it() -> None:
    asked = study(question={"metrics": ["clip_score"]}, metrics={"clip_score": {"model": "owner/clip"}})
    plain = study(question={"metrics": ["clip_score"]})
    assert "embedded" in scores.cards(plain, ())["clip_score"].failure
    assert "embedded" not in scores.cards(asked, ())["clip_score"].failure


def test_a_study_that_names_no_metrics_has_the_cards_of_the_columns_there_are() -> None:
    found = scores.cards(study(), ["prompt", "sharpness", "a score of my own"])
    assert list(found) == ["sharpness"]


def test_a_column_of_anybodys_own_has_a_card_that_promises_nothing() -> None:
    card = Card("a score of my own")
    assert (card.arity, card.higher_is_better, card.failure, card.rises_with) == (1, None, "", ())
    assert card.needs_pixels
