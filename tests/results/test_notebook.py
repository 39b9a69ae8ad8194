"""What a notebook shows of a result."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

from PIL import Image

import teststrip
from teststrip.verbs.run import drive

HOSTILE = "<script>alert(1)</script> & \"quoted\" 'owl'"


def shown(tmp_path: Path, **changes: object) -> tuple[str, list[str]]:
    keys: dict[str, object] = {
        "name": "cell",
        "engine": {"name": "pattern"},
        "prompts": [HOSTILE, "a rose"],
        "settings": {"width": 16, "height": 16},
        "axes": {"guidance_scale": [1, 3, 7], "num_inference_steps": [2, 4]},
        "question": {"metrics": ["sharpness"]},
    }
    with drive(teststrip.Study(**{**keys, **changes}), tmp_path / "s", trackers=[], views=False).result as result:
        return result._repr_html_(), [finding.sentence for finding in result.findings]


def test_a_notebook_shows_findings_and_a_grid_and_no_text_is_markup(tmp_path: Path) -> None:
    html, sentences = shown(tmp_path)
    assert "12 of 12 images" in html
    assert sentences[0][:40] in html
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    found = re.search(r'src="data:image/png;base64,([^"]+)"', html)
    assert found
    with Image.open(io.BytesIO(base64.b64decode(found[1]))) as grid:
        assert grid.width > 3 * 96
        assert grid.height > 2 * 96


def test_a_study_without_axes_or_pictures_is_shown_too(tmp_path: Path) -> None:
    html, _ = shown(tmp_path, axes={}, replicates=2)
    assert "4 of 4 images" in html
    assert "<img" in html
    html, _ = shown(tmp_path / "none", engine={"name": "pattern", "fail": "error: width=16"})
    assert "0 of 12 images" in html
    assert "<img" not in html
