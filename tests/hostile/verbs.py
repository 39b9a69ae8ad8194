"""Every verb that takes a study's folder, called in this process. To add one: a function of a folder, and its line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from tests import studies

from teststrip import store
from teststrip.records import Study
from teststrip.results.result import open_result
from teststrip.verbs import compare, export, forecast, verify
from teststrip.verbs.run import drive
from teststrip.views import feed, report

OWN = "own"
"""The folder beside the study's in which the user keeps the study file."""

# 264 pixels: longer than what is its own thumbnail
STUDY = {
    "prompts": ["an owl\nat night", "a car"],
    "replicates": 2,
    "engine": {"name": "pattern", "fail": "guidance_scale=9"},
    "axes": {"guidance_scale": [1, 7, 9]},
    "settings": {"width": 264, "height": 32},
    "question": {"metrics": ["seconds"]},
}


def study() -> Study:
    """Long pictures, a prompt with a line break, and a level at which every shot fails."""
    return studies.little(**STUDY)


def made(folder: Path) -> None:
    """The folder of the study when it is finished: each table of the ledger and each part of the folder has content."""
    drive(study(), folder, trackers=()).result.close()
    _export("html")(folder)
    _sent(folder)
    with store.Store(folder, write=True) as opened:
        image = next(iter(opened.images().values()))[0]
        opened.path(image).write_bytes(b"damaged")
        opened.repair(opened.verify())
    drive(study(), folder, trackers=()).result.close()


def _report(folder: Path) -> object:
    with open_result(folder) as result:
        short = report.text(result), report.markdown(result)
        return short, report.full_text(result), report.full_markdown(result), report.as_json(result)


def _best(folder: Path) -> object:
    with open_result(folder) as result:
        return report.best_text(result, None, None)


def _compare(folder: Path) -> object:
    """The folder beside a sound one of the user's own."""
    twin = folder.parent / OWN / "twin"
    if not twin.exists():
        drive(study(), twin, trackers=()).result.close()
    with open_result(folder) as first, open_result(twin) as second:
        comparison = compare.of(first, second)
        return list(comparison.lines()), comparison.as_json()


def _verify(folder: Path) -> object:
    with open_result(folder) as result:
        return list(verify.verify(result, "1").lines())


def _export(to: str) -> Callable[[Path], object]:
    def call(folder: Path) -> object:
        with open_result(folder) as result:
            return export.write(result, to)

    return call


def _sent(folder: Path) -> object:
    with open_result(folder) as result:
        return export.notify(result, "tensorboard")


def _notebook(folder: Path) -> object:
    with open_result(folder) as result:
        return result._repr_html_(), result.frame()


def _view(folder: Path) -> object:
    """What the live page asks for, without the network; nothing in the folder may change by being shown."""
    with open_result(folder) as result:
        shown = feed.Feed(result).snapshot()
        small = [result.store.thumbnail(row.image) for row in result.rows() if row.image]
        return shown, small


def _plan(folder: Path) -> object:
    return list(forecast.lines(forecast.of(studies.write(folder.parent / OWN, "asked.toml", **STUDY), folder, [])))


def _run(folder: Path) -> object:
    with drive(study(), folder, trackers=()).result as result:
        return len(result.rows())


def _rebuild(folder: Path) -> object:
    return store.rebuild(folder)


READING: Mapping[str, Callable[[Path], object]] = {
    "view": _view,
    "report": _report,
    "best": _best,
    "compare": _compare,
    "plan": _plan,
    "notebook": _notebook,
    "csv": _export("csv"),
    "html": _export("html"),
    "contact-sheet": _export("contact-sheet"),
    "findings": _export("findings"),
    "settings": _export("settings"),
    "figures": _export("figures-svg"),
    "verify": _verify,
}
WRITING: Mapping[str, Callable[[Path], object]] = {"run": _run, "rebuild": _rebuild}
TRACKER: Mapping[str, Callable[[Path], object]] = {"tensorboard": _sent}
