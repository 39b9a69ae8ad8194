"""The charts of a report as files of their own: SVG as they are drawn, PDF for a paper. Draws nothing itself."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from teststrip import plugins
from teststrip.errors import MissingExtra
from teststrip.views import charts

if TYPE_CHECKING:
    from teststrip.results.result import Result


def svg(result: Result) -> dict[str, bytes]:
    """Each chart as SVG, by the name of its file."""
    return {name: text.encode() for name, text in charts.drawn(result.findings, result.recommendations).items()}


def pdf(result: Result) -> dict[str, bytes]:
    """Each chart as PDF: lines stay lines, text stays text, its font inside. Needs the extra `pdf`.

    Raises:
        MissingExtra: CairoSVG or the library Cairo is not installed.
    """
    try:
        import cairosvg
    except ModuleNotFoundError as error:
        raise plugins.missing(error) from error
    except OSError as error:  # the package is there and finds no library to load
        raise MissingExtra(
            "the library Cairo is not installed. Run: apt install libcairo2, or brew install cairo"
        ) from error
    return {
        PurePath(name).with_suffix(".pdf").name: cairosvg.svg2pdf(bytestring=data) for name, data in svg(result).items()
    }
