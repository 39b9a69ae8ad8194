"""What is wrong with a cell is told at the part of the study that is wrong by itself."""

from __future__ import annotations

import pytest

from teststrip.errors import StudyError
from teststrip.study import parse


@pytest.mark.parametrize("settings", [{}, {"guidance_scale": 3}, {"guidance_scale": 3, "width": 64}])
@pytest.mark.parametrize("where", ["engine", "settings"])
def test_a_model_that_is_not_here_is_told_at_the_model_whatever_stands_beside_it(
    settings: dict[str, float], where: str, tmp_path: object
) -> None:
    data = {"name": "a", "prompts": ["an owl"], "axes": {"num_inference_steps": [2, 4]}, "engine": {}}
    data["settings"] = dict(settings)
    data[where] = {**data[where], "model": f"{tmp_path}/none"}  # type: ignore[dict-item]
    with pytest.raises(StudyError, match=rf"^study: {where}\.model: "):
        parse(data, place="study", folder=tmp_path)  # type: ignore[arg-type]
