"""Results go elsewhere whole: tables, sheets, one file."""

import csv
import io
import re
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import PIL.Image
import pyarrow.parquet
import pytest
from pypdf import PdfReader
from tests import studies

from teststrip import pictures
from teststrip.elsewhere import Elsewhere
from teststrip.errors import UsageError
from teststrip.pictures import plane
from teststrip.pictures.sheet import GAP
from teststrip.results.result import Result, open_result
from teststrip.rows import grid
from teststrip.verbs import export
from teststrip.verbs.run import drive
from teststrip.views import atlas, sheets


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Result]:
    folder = tmp_path_factory.mktemp("export") / "little"
    toml = studies.write(
        folder.parent,
        prompts=["an owl", {"id": "formula", "text": "=2+5 and a car"}],
        replicates=3,
        engine={"fail": "oom: guidance_scale=7, prompt=an owl"},
        settings={},
        axes={"guidance_scale": [1, 7], "num_inference_steps": [2, 8]},
    )
    drive(toml, folder, trackers=[], views=False).result.close()
    with open_result(folder) as result:
        yield result


def test_csv_has_a_row_an_image_and_runs_no_formula(result: Result) -> None:
    path = export.write(result, "csv")
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    made = {row.image.digest: row for row in result.rows() if row.image}
    assert {row["digest"] for row in rows} == set(made)
    for row in rows:
        assert float(row["sharpness"]) == pytest.approx(made[row["digest"]].scores["sharpness"])
        assert (result.folder / row["path"]).is_file()
    assert {row["prompt"] for row in rows} == {"an owl", "'=2+5 and a car"}


def test_parquet_keeps_numbers_as_numbers(result: Result) -> None:
    table = pyarrow.parquet.read_table(export.write(result, "parquet"))
    assert table.num_rows == sum(row.image is not None for row in result.rows())
    assert str(table.schema.field("sharpness").type) == "double"
    assert "=2+5 and a car" in table.column("prompt").to_pylist()


@pytest.mark.parametrize(
    ("column", "typed"),
    [
        (["none", 1.3, 1.0], [None, 1.3, 1.0]),
        (["(none)", 1, 2], [None, 1, 2]),
        (["none", "Karras"], ["none", "Karras"]),
        (["auto", 2, None], ["auto", "2", None]),
        ([1, None, 2.5], [1, None, 2.5]),
        ([True, "none"], [True, None]),
    ],
)
def test_a_column_of_a_typed_table_has_one_kind_of_value(column: list[object], typed: list[object]) -> None:
    frame = pd.DataFrame({"it": pd.Series(column, dtype=object)}).apply(export._of_one_kind)
    assert pyarrow.Table.from_pandas(frame).column("it").to_pylist() == typed


def test_a_contact_sheet_shows_the_median_of_each_cell_on_demand(result: Result, tmp_path: Path) -> None:
    path = export.write(
        result, "contact-sheet", tmp_path / "sheet.png", rows="prompt", columns="guidance_scale", pick="median"
    )
    rows = [
        r
        for r in result.rows()
        if r.image and r.planned.prompt.id == "formula" and r.planned.cell["guidance_scale"] == "1"
    ]
    ranked = sorted(rows, key=lambda row: row.scores["sharpness"])
    median = ranked[(len(ranked) - 1) // 2].image
    assert median
    tile = PIL.Image.fromarray(pictures.decode(result.store.read(median))).resize(
        (128, 128), PIL.Image.Resampling.LANCZOS
    )
    with PIL.Image.open(path) as sheet:
        pixels = np.asarray(sheet.convert("RGB"))
    wanted = np.asarray(tile)
    found = [
        (y, x)
        for y, x in zip(*np.nonzero((pixels[:-127, :-127] == wanted[0, 0]).all(axis=2)), strict=True)
        if (pixels[y : y + 128, x : x + 128] == wanted).all()
    ]
    assert len(found) == 1


def test_a_sheet_says_the_study_its_size_and_which_picture_a_cell_shows(result: Result, tmp_path: Path) -> None:
    for pick, words in (("typical", "typical"), ("best", "best picture of each cell by sharpness")):
        path = export.write(result, "contact-sheet", tmp_path / "sheet.png", pick=pick)
        with PIL.Image.open(path) as sheet:
            said, pixels = sheet.text, np.asarray(sheet.convert("L"))  # type: ignore[attr-defined]
        assert said["Title"] == result.study.name
        assert said["Description"].startswith(f"{len(result.study.prompts)} prompts, ")
        assert words in said["Description"]
        assert pixels[10:60].min() < 80, "the heading is drawn, too"
    pdf = PdfReader(io.BytesIO(export.write(result, "contact-sheet", tmp_path / "sheet.pdf").read_bytes()))
    assert pdf.metadata
    assert pdf.metadata.title == result.study.name
    assert "typical" in str(pdf.metadata.subject)


def test_a_pdf_has_a_page_for_each_section(result: Result, tmp_path: Path) -> None:
    path = export.write(result, "contact-sheet", tmp_path / "sheet.pdf")
    reader = PdfReader(io.BytesIO(path.read_bytes()))
    assert len(reader.pages) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rows": "guidance_scal"}, "no axis 'guidance_scal'. Did you mean 'guidance_scale'?"),
        ({"metric": "sharp"}, "no score 'sharp'"),
        ({"pick": "mean"}, "unknown pick 'mean'"),
        ({"where": {"prompt": "a dog"}}, "no image fits"),
    ],
)
def test_a_wrong_sheet_says_what_there_is(result: Result, options: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("?", r"\?")):
        export.write(result, "contact-sheet", **options)


def test_an_unknown_format_names_the_nearest(result: Result) -> None:
    with pytest.raises(UsageError, match="Did you mean 'parquet'"):
        export.write(result, "parket")


@pytest.mark.parametrize(("name", "kind"), [("a.jpg", "JPEG"), ("a.JPEG", "JPEG"), ("a.webp", "WEBP")])
def test_a_contact_sheet_may_be_a_smaller_kind_of_picture_and_says_what_it_shows(
    name: str, kind: str, result: Result, tmp_path: Path
) -> None:
    with PIL.Image.open(export.write(result, "contact-sheet", tmp_path / "sheet.png")) as png:
        size, about = png.size, png.info["Description"].replace(" · ", "; ")
    with PIL.Image.open(export.write(result, "contact-sheet", tmp_path / name)) as sheet:
        assert (sheet.format, sheet.size) == (kind, size)
        assert sheet.getexif()[sheets.DESCRIPTION] == f"{result.study.name}: {about}"


@pytest.mark.parametrize("side", [16, 128, 2600, 2700, 4096, 10_000])
def test_columns_that_no_viewer_can_show_in_one_line_go_on_below(side: int, result: Result) -> None:
    rows = list(result.rows())
    bands = sheets.bands(result.study, rows, "seed", side)
    columns = [grid.labels(result.study, band, "seed") for band in bands]
    assert [label for band in columns for label in band] == grid.labels(result.study, rows, "seed")
    assert sum(map(len, bands)) == len(rows)
    widths = [len(band) for band in columns]
    assert max(widths) * side < sheets.WIDEST
    assert max(widths) - min(widths) <= 1
    assert (len(bands) == 1) == (sum(widths) * (side + GAP) <= sheets.WIDEST)


@pytest.mark.parametrize("kind", sheets.LONGEST)
def test_a_contact_sheet_longer_than_its_format_holds_is_refused_with_the_remedy(kind: str) -> None:
    most = sheets.LONGEST[kind]
    with PIL.Image.open(io.BytesIO(sheets.encoded(PIL.Image.new("RGB", (most, 1)), kind, "a", "b"))) as longest:
        assert longest.size == (most, 1)
    with pytest.raises(UsageError, match=rf"too many for {kind}, which holds {most:,} an edge\. Write a \.png"):
        sheets.encoded(PIL.Image.new("RGB", (most + 1, 1)), kind, "a", "b")


def test_a_contact_sheet_needs_a_known_suffix(result: Result, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none of \.png, \.jpg, \.webp and \.pdf"):
        export.write(result, "contact-sheet", tmp_path / "sheet.gif")


def test_html_is_one_file_that_names_no_other(result: Result) -> None:
    text = export.write(result, "html").read_text(encoding="utf-8")
    for source in re.findall(r'(?:src|href)="([^"]*)"', text.split("<script")[0]):
        assert source.startswith("data:")
    assert "unsafe" not in text.split("</head>")[0]
    assert text.count("data:image/png;base64,") == sum(row.image is not None for row in result.rows())


def test_an_atlas_is_parts_of_parquet_with_every_level_score_and_small_picture(result: Result, tmp_path: Path) -> None:
    folder = export.write(result, "atlas", tmp_path / "atlas", side=32)
    assert {path.name for path in folder.iterdir()} == {"part-0000.parquet", "README.md"}
    table = pyarrow.parquet.read_table(folder / "part-0000.parquet")
    made = {row.image.digest: row for row in result.rows() if row.image}
    assert set(table.column("digest").to_pylist()) == set(made)
    for line in table.to_pylist():
        row = made[line["digest"]]
        settings = row.planned.shot.settings
        assert (line["guidance_scale"], line["prompt"]) == (settings["guidance_scale"], row.planned.prompt.text)
        assert line["sharpness"] == row.scores["sharpness"]
        assert max(pictures.decode(line["picture"]["bytes"]).shape) == 32
    assert table.column_names[0] == "picture"
    where = plane.fitted(line["picture"]["bytes"] for line in table.to_pylist())
    for line in table.to_pylist():
        assert (line["x"], line["y"]) == pytest.approx(where.place(line["picture"]["bytes"]))
    with pytest.raises(UsageError, match="--out FOLDER"):
        export.write(result, "atlas")


def test_a_picture_that_is_gone_has_no_place_in_an_atlas(tmp_path: Path) -> None:
    toml = studies.write(tmp_path, prompts=["an owl", "a cat"], replicates=2, settings={}, axes={})
    drive(toml, tmp_path / "study", trackers=[], views=False).result.close()
    gone = next((tmp_path / "study" / "images").rglob("*.png"))
    gone.unlink()
    with open_result(tmp_path / "study") as result:
        folder = export.write(result, "atlas", tmp_path / "atlas", side=16)
    lines = pyarrow.parquet.read_table(folder / "part-0000.parquet").to_pylist()
    lost = [line for line in lines if line["digest"] == gone.stem]
    assert [(line["picture"], line["x"], line["y"]) for line in lost] == [(None, None, None)]
    assert all(None not in (line["x"], line["y"]) for line in lines if line not in lost)


@pytest.mark.parametrize("name", ["picture", "Picture"])
def test_an_axis_may_have_the_name_of_the_pictures_column(name: str, tmp_path: Path) -> None:
    toml = studies.write(tmp_path, prompts=[f"an owl {{{name}}}"], replicates=1, settings={}, axes={name: ["a", "b"]})
    drive(toml, tmp_path / "study", trackers=[], views=False).result.close()
    with open_result(tmp_path / "study") as result:
        folder = export.write(result, "atlas", tmp_path / "atlas", side=16)
    table = pyarrow.parquet.read_table(folder / "part-0000.parquet")
    assert set(table.column(name).to_pylist()) == {"a", "b"}
    assert all(pictures.decode(picture["bytes"]).size for picture in table.column("picture_").to_pylist())
    assert "--image picture_\n" in (folder / "README.md").read_text(encoding="utf-8")


def test_an_axis_may_have_the_name_of_a_coordinate(tmp_path: Path) -> None:
    toml = studies.write(tmp_path, prompts=["an owl {X}"], replicates=1, settings={}, axes={"X": ["a", "b"]})
    drive(toml, tmp_path / "study", trackers=[], views=False).result.close()
    with open_result(tmp_path / "study") as result:
        folder = export.write(result, "atlas", tmp_path / "atlas", side=16)
    table = pyarrow.parquet.read_table(folder / "part-0000.parquet")
    assert set(table.column("X").to_pylist()) == {"a", "b"}
    assert str(table.schema.field("x_").type) == str(table.schema.field("y").type) == "double"
    assert "--x x_ --y y --image picture\n" in (folder / "README.md").read_text(encoding="utf-8")


def test_an_atlas_takes_away_the_parts_of_a_larger_one_and_nothing_else(result: Result, tmp_path: Path) -> None:
    folder = export.write(result, "atlas", tmp_path / "atlas", side=16, most=3)
    assert len(list(folder.glob("part-*.parquet"))) > 1
    (folder / "part-mine.parquet").write_bytes(b"mine")
    export.write(result, "atlas", folder, side=16)
    assert {path.name for path in folder.iterdir()} == {"part-0000.parquet", "README.md", "part-mine.parquet"}


MINE = {"README.md": b"# Mine\n", "part-0000.parquet": b"mine", "part-0007.parquet": b"mine"}


@pytest.mark.parametrize("names", [MINE.keys(), ["README.md"], ["part-0000.parquet"], ["part-0007.parquet"]])
def test_an_atlas_is_not_written_over_files_of_the_users(names: Iterable[str], result: Result, tmp_path: Path) -> None:
    mine = {name: MINE[name] for name in names}
    for name, data in mine.items():
        (tmp_path / name).write_bytes(data)
    with pytest.raises(UsageError, match=r"of its own\. Name a folder for the atlas alone"):
        export.write(result, "atlas", tmp_path, side=16)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == mine


@pytest.mark.parametrize("names", [MINE.keys(), ["README.md"], ["part-0000.parquet"], ["part-0007.parquet"]])
def test_an_atlas_at_a_url_is_not_written_over_files_of_the_users(names: Iterable[str], result: Result) -> None:
    url, mine = f"memory://{uuid.uuid4().hex}/data", {name: MINE[name] for name in names}
    place = Elsewhere(url)
    place.put(mine)
    with pytest.raises(UsageError, match=r"of its own\. Name a folder for the atlas alone"):
        export.send(result, "atlas", url, side=16)
    assert {name: place.read(name) for name in place.sizes()} == mine


def test_an_atlas_at_a_url_is_written_again_over_itself(result: Result) -> None:
    url = f"memory://{uuid.uuid4().hex}/data"
    export.send(result, "atlas", url, side=16, most=3)
    assert len(Elsewhere(url).sizes()) > 2
    export.send(result, "atlas", url, side=16)
    assert Elsewhere(url).sizes().keys() == {"part-0000.parquet", "README.md"}


@pytest.mark.parametrize(
    ("values", "held"),
    [
        ([2**70, 1], [str(2**70), "1"]),
        ([2**60 + 1, 0.5], [float(2**60), 0.5]),
        ([2**63 - 1, -(2**63)], [2**63 - 1, -(2**63)]),
    ],
)
def test_a_column_of_an_atlas_holds_any_number(values: list[float], held: list[object]) -> None:
    kind = atlas.kind_of(set(map(atlas.type_of, values)))
    assert pyarrow.array([atlas.cell(value, kind) for value in values], kind).to_pylist() == held


def test_parts_of_an_atlas_have_the_same_columns_of_the_same_types(result: Result) -> None:
    whole = dict(atlas.parts(result, side=16))
    parts = dict(atlas.parts(result, side=16, most=3))
    tables = [pyarrow.parquet.read_table(io.BytesIO(parts[name])) for name in sorted(parts) if name.endswith("parquet")]
    assert len(tables) == -(-result.made // 3)
    assert pyarrow.concat_tables(tables).equals(pyarrow.parquet.read_table(io.BytesIO(whole["part-0000.parquet"])))


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, None, 2], "int64"),
        ([1, 2.5], "double"),
        ([True, False], "bool"),
        ([True, 1], "string"),
        (["a", None, 7.0], "string"),
        ([None], "string"),
    ],
)
def test_a_column_of_an_atlas_is_of_numbers_where_each_value_is_one(values: list[object], kind: str) -> None:
    assert str(atlas.kind_of({type(value) for value in values} - {type(None)})) == kind
