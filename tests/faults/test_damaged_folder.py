"""What a user does with a damaged folder: the command says what is wrong, and doing what it says mends it."""

import pytest
from tests import studies
from tests.command import command


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    folder = tmp_path_factory.mktemp("little")
    studies.write(folder, "study.toml", question={})
    command("run", "study.toml", cwd=folder)
    return folder


def test_a_flipped_picture_is_named_kept_and_made_again(ready):
    victim = next((ready / "runs/little/images").rglob("*.png"))
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    said = command("verify", "runs/little", "--sample", "4", cwd=ready, code=3).stdout
    assert f"{victim.name}: the bytes are not those that were written. Run the study again" in said
    assert "3 made again: 3 equal to the pixel" in said
    assert (ready / "runs/little/quarantine" / victim.name).read_bytes() == data
    assert "1 image made" in command("run", "study.toml", cwd=ready).stderr
    assert "4 images re-hashed: all as recorded" in command("verify", "runs/little", cwd=ready).stdout


def test_a_ledger_that_is_lost_is_rebuilt_by_the_command_that_the_message_names(ready):
    (ready / "runs/little/study.sqlite").unlink()
    for verb in (["verify", "runs/little"], ["run", "study.toml"]):
        said = command(*verb, cwd=ready, code=2).stderr
        assert "Run: teststrip verify --rebuild runs/little" in said
    command("verify", "--rebuild", "runs/little", cwd=ready)
    assert "0 images made" in command("run", "study.toml", cwd=ready).stderr
