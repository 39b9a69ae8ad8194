"""What a paper takes: tables that a second reader of LaTeX and of CSV reads back, and figures as PDF."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pylatexenc.latex2text import LatexNodes2Text
from pylatexenc.latexwalker import LatexEnvironmentNode, LatexMacroNode, LatexSpecialsNode, LatexWalker
from pypdf import PdfReader
from tests import studies

from teststrip.errors import UsageError
from teststrip.results.result import Result
from teststrip.verbs import export
from teststrip.verbs.run import drive
from teststrip.views import charts, paper

HOSTILE = r"50 % & more_of #1 {x} \\[2ex] $a^b$ ~ <tag> | * [opt] -- ''' ,, ``"
PLAIN = str.maketrans("−ˆ", "-^")  # how the second reader writes the minus of mathematics and \textasciicircum


NEEDS_CAIRO = pytest.mark.process  # a process looks for the library Cairo when CairoSVG is loaded


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Result]:
    axes = {
        "guidance_scale": [1, 7],
        "look": [{"label": HOSTILE, "num_inference_steps": 2}, {"label": "=1+1", "num_inference_steps": 8}],
    }
    study = studies.little(
        prompts=[f"a {n}" for n in range(7)], axes=axes, question={"metrics": ["sharpness", "seconds"]}
    )
    with drive(study, tmp_path_factory.mktemp("paper"), trackers=[], views=False).result as made:
        yield made


def read(latex: str) -> str:
    """What a second reader of LaTeX says that a text shows."""
    text: str = LatexNodes2Text(strict_latex_spaces=True).latex_to_text(latex)
    return text.translate(PLAIN)


def rows(latex: str) -> list[list[str]]:
    """The cells of a tabular, as a second reader sees them."""
    nodes, _, _ = LatexWalker(latex).get_latex_nodes()
    (tabular,) = (node for node in nodes if isinstance(node, LatexEnvironmentNode))
    assert tabular.environmentname == "tabular"
    found, row, cell = [], [], ""
    for node in tabular.nodelist:
        if isinstance(node, LatexMacroNode) and node.macroname == "\\":
            assert not (node.nodeargd and any(node.nodeargd.argnlist or [])), "the end of a row has an argument"
            found, row, cell = [*found, [*row, read(cell).strip()]], [], ""
        elif isinstance(node, LatexSpecialsNode) and node.specials_chars == "&":
            row, cell = [*row, read(cell).strip()], ""
        elif not (isinstance(node, LatexMacroNode) and node.macroname.endswith("rule")):
            cell += node.latex_verbatim()
    return found


@given(st.text(st.sampled_from([*(c for c in paper.LATEX if c not in "∞⁻⁰¹²³⁴⁵⁶⁷⁸⁹"), *"-',[]* ab1é猫"]), max_size=30))
def test_a_second_reader_reads_every_special_character_back(text: str) -> None:
    assert read(paper.escape(text)) == " ".join(text.split()).translate(PLAIN)


@pytest.mark.parametrize("special", paper.LATEX)
def test_no_special_character_is_left_as_it_is(special: str) -> None:
    written = paper.escape(f"a{special}b")
    assert written != f"a{special}b"
    assert written.isascii()


@given(st.lists(st.text(st.sampled_from(r"\{}$&#_%^~[]*-ab "), max_size=8), min_size=3, max_size=3))
def test_a_row_of_any_cells_stays_one_row(cells: list[str]) -> None:
    found = rows(paper.table(["x", "y", "z"], [cells, ["[2ex]", "*", "&"]], words=1))
    assert found == [["x", "y", "z"], [" ".join(cell.split()) for cell in cells], ["[2ex]", "*", "&"]]


def test_the_reader_sees_an_unescaped_cell() -> None:
    spoilt = paper.table(["x", "y"], [["1", "2"], ["3", "4"]], words=1).replace("3 &", "[2ex] 3 & 9 &")
    with pytest.raises(AssertionError):
        assert {len(row) for row in rows(spoilt)} == {2}


def test_findings_in_latex_are_the_comparisons_of_the_study(result: Result, tmp_path: Path) -> None:
    path = export.write(result, "findings", tmp_path / "findings.tex")
    head, *body = rows(path.read_text(encoding="utf-8"))
    compared = [finding for finding in result.findings if finding.asked and finding.kind != "missing"]
    assert len(body) == len(compared)
    for row, finding in zip(body, compared, strict=True):
        told = dict(zip(head, row, strict=True))
        assert told["comparison"] == " ".join(finding.contrast.split()).translate(PLAIN)
        assert float(told["effect"].replace(",", "")) == pytest.approx(
            finding.effect, rel=0.1, abs=(finding.high - finding.low) / 40 + 1e-9
        ), "two digits of the half-width"
        assert int(told["prompts"]) == finding.prompts


def test_settings_in_latex_and_in_csv_are_the_cells_of_the_study(result: Result, tmp_path: Path) -> None:
    head, *body = rows(export.write(result, "settings", tmp_path / "settings.tex").read_text(encoding="utf-8"))
    whole = list(csv.DictReader(io.StringIO(export.write(result, "settings").read_text(encoding="utf-8"))))
    assert len(body) == len(whole) == 4
    for row, record in zip(body, whole, strict=True):
        told = dict(zip(head, row, strict=True))
        assert told["look"] == " ".join(record["look"].split()).removeprefix("'")
        mean = float(re.split(r" *± *", told["sharpness (squared levels)"])[0].replace(",", ""))
        assert mean == pytest.approx(float(record["sharpness"]), rel=0.05)
        assert told["images"] == record["images"]
    assert {record["look"] for record in whole} == {HOSTILE, "'=1+1"}, "a spreadsheet runs no cell"


def test_findings_in_csv_have_their_numbers_whole(result: Result) -> None:
    read_back = list(csv.DictReader(io.StringIO(export.write(result, "findings").read_text(encoding="utf-8"))))
    for record, finding in zip(read_back, result.findings, strict=True):
        assert record["metric"] == finding.metric
        for name in ("effect", "low", "high", "p"):
            number = getattr(finding, name)
            assert (record[name] == "") if math.isnan(number) else float(record[name]) == number


@NEEDS_CAIRO
def test_figures_are_the_charts_as_svg_and_as_vectors_in_pdf(result: Result, tmp_path: Path) -> None:
    drawn = charts.drawn(result.findings, result.recommendations)
    assert drawn
    folder = export.write(result, "figures-svg", tmp_path / "figures")
    assert {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()} == drawn
    folder = export.write(result, "figures-pdf", tmp_path / "figures")
    for name, svg in drawn.items():
        (page,) = PdfReader(folder / name.replace(".svg", ".pdf")).pages
        title = re.search("<title>(.*?)</title>", svg)
        assert title
        assert title[1] in page.extract_text()
        assert not list(page.images), "a figure is lines and letters, not pixels"


@NEEDS_CAIRO
def test_figures_lie_beside_those_of_the_report_where_no_folder_is_named(result: Result) -> None:
    folder = export.write(result, "figures-pdf")
    assert folder == result.folder / "charts"
    assert list(folder.glob("*.pdf"))


@pytest.mark.parametrize("to", ["findings", "settings"])
def test_another_suffix_says_which_there_are(result: Result, tmp_path: Path, to: str) -> None:
    with pytest.raises(UsageError, match=rf"{to}: '\.docx' is neither \.csv nor \.tex"):
        export.write(result, to, tmp_path / "x.docx")


def test_figures_take_no_option(result: Result) -> None:
    with pytest.raises(UsageError, match=r"figures-svg has no option 'side'\. It takes: none"):
        export.write(result, "figures-svg", side=3)
