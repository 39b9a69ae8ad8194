"""The names of the folder's parts stand in one place, and the docs say the same of them."""

import ast
from pathlib import Path

import pytest

from tests.syntax import SOURCE, files, parsed, walked
from teststrip import folder
from teststrip.verbs.run import drive

DOCS = Path(__file__).parents[1] / "docs" / "folder.md"


def test_the_docs_list_every_part_with_its_sentence():
    text = DOCS.read_text("utf-8")
    rows = "\n".join(f"| `{name}` | {sentence} |" for name, sentence in folder.PARTS.items())
    assert rows in text


@pytest.mark.parametrize(
    "name", [folder.LEDGER_FILE, folder.LOCK_FILE, folder.REPORT_FILE, folder.THUMBS, folder.VOTES_FILE]
)
def test_no_other_module_spells_the_name_of_a_part(name):
    found = [
        f"{path.relative_to(SOURCE)}:{node.lineno}"
        for path in files()
        if path != SOURCE / "folder.py"
        for node in walked(parsed(path))
        if isinstance(node, ast.Constant) and node.value == name
    ]
    assert found == []


def test_a_run_makes_no_part_that_is_not_listed(tmp_path):
    (tmp_path / "study.toml").write_text(
        'name = "parts"\nprompts = ["an owl", "a fox"]\nengine = { name = "pattern" }\n'
        "[settings]\nwidth = 264\nheight = 16\n"
        '[axes]\nguidance_scale = [1, 7]\n[question]\nmetrics = ["sharpness"]\n'
    )
    with drive(tmp_path / "study.toml", tmp_path / "run", trackers=()).result:
        pass
    found = {path.name + "/" * path.is_dir() for path in (tmp_path / "run").iterdir()}
    assert found <= folder.PARTS.keys()
    assert found >= folder.PARTS.keys() - {
        f"{folder.INPUTS}/",
        f"{folder.QUARANTINE}/",
        f"{folder.TRACKERS}/",
        f"{folder.IMPORTED}/",
        folder.REGISTERED_FILE,
        folder.VOTES_FILE,
        folder.VOTES_LOCK_FILE,
        folder.JUDGED_FILE,
        folder.JUDGED_LOCK_FILE,
        f"{folder.BALLOTS}/",
    }
