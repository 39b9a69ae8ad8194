"""Thumbnails come with the picture, can be lost without harm, and lead nobody out of the folder."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from teststrip import pictures
from teststrip.errors import StoreError
from teststrip.records import EngineRef, Fingerprint, Render, Shot
from teststrip.store import Store, thumbs

SECRET = pictures.small(np.full((300, 300, 3), 7, np.uint8))


def render(side=320, *, small=True):
    pixels = np.random.default_rng(side).integers(0, 256, (side, side, 3), dtype=np.uint8)
    shot = Shot(EngineRef("pattern"), {"prompt": "an owl", "seed": side})
    made = pictures.small(pixels) if small else b""
    return Render(shot, pictures.encode_png(pixels), "png", side, side, 1.0, Fingerprint({"a": 1}), {}, made)


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "study", write=True) as opened:
        yield opened


def test_a_large_picture_is_put_away_with_the_thumbnail_that_it_came_with(store):
    made = render()
    image = store.add(made)
    assert (store.folder / thumbs.address(image.path)).read_bytes() == made.small == store.thumbnail(image)


def test_a_small_picture_is_its_own_thumbnail(store):
    image = store.add(render(256))
    assert store.thumbnail(image) == store.read(image)
    assert not (store.folder / "thumbs").exists()


def test_a_missing_thumbnail_is_made_when_it_is_asked_for_and_then_kept(store):
    image = store.add(render(small=False))
    place = store.folder / thumbs.address(image.path)
    assert not place.exists()
    small = store.thumbnail(image)
    assert small == pictures.thumbnail(store.read(image), 256) == place.read_bytes()
    before = place.stat().st_mtime_ns
    assert store.thumbnail(image) == small
    assert place.stat().st_mtime_ns == before


def test_where_no_thumbnail_can_be_kept_the_picture_is_put_away_all_the_same(store):
    (store.folder / "thumbs").write_text("in the way")
    made = render()
    image = store.add(made)
    assert store.done() == {image.shot_id}
    assert store.thumbnail(image) == made.small
    assert not thumbs.there(store.folder, image.path)


def test_a_reader_gets_thumbnails_of_a_folder_that_may_only_be_read(store, tmp_path):
    image = store.add(render())
    shutil.rmtree(store.folder / "thumbs")
    (store.folder / "thumbs").write_text("in the way")  # root, who runs these tests in CI, may write anywhere
    with Store(store.folder) as reader:
        assert reader.thumbnail(image) == pictures.thumbnail(reader.read(image), 256)


def test_no_thumbnail_is_made_of_a_damaged_picture(store):
    image = store.add(render(small=False))
    path = store.path(image)
    path.write_bytes(path.read_bytes()[:-9] + b"x" * 9)
    with pytest.raises(StoreError, match="damaged"):
        store.thumbnail(image)
    assert not (store.folder / "thumbs").exists()


@pytest.mark.parametrize("content", [b"", b"<html>", SECRET[:-9], pictures.encode_png(np.zeros((4, 4, 3), np.uint8))])
def test_a_thumbnail_that_is_no_whole_webp_is_made_again(store, content):
    made = render()
    image = store.add(made)
    place = store.folder / thumbs.address(image.path)
    place.write_bytes(content)
    assert store.thumbnail(image) == made.small == place.read_bytes()


def test_a_thumbnail_of_gigabytes_is_not_read(store):
    image = store.add(render())
    place = store.folder / thumbs.address(image.path)
    with place.open("wb") as file:
        file.truncate(2**33)
    assert len(store.thumbnail(image)) < 2**17


@pytest.mark.parametrize("link", ["thumbs", "thumbs/ab", "thumbs/ab/x.webp"])
def test_a_link_in_a_strangers_folder_is_followed_neither_to_read_nor_to_write(store, tmp_path, link):
    made = render()
    image = store.add(made)
    shutil.rmtree(store.folder / "thumbs")
    place, outside = store.folder / thumbs.address(image.path), tmp_path / "outside"
    parts = {"thumbs": place.parent.parent, "thumbs/ab": place.parent, "thumbs/ab/x.webp": place}
    target = outside / place.relative_to(parts[link]) if parts[link] != place else outside / "secret.webp"
    target.parent.mkdir(parents=True)
    target.write_bytes(SECRET)
    parts[link].parent.mkdir(parents=True, exist_ok=True)
    parts[link].symlink_to(target if parts[link] == place else outside)
    assert place.read_bytes() == SECRET
    assert store.thumbnail(image) == made.small
    assert not thumbs.keep(store.folder, image.path, made.small)
    assert not thumbs.there(store.folder, image.path)
    assert [path.read_bytes() for path in outside.rglob("*") if path.is_file()] == [SECRET]


def test_what_a_killed_run_left_unfinished_is_removed_by_the_next_one(store):
    image = store.add(render())
    left = (store.folder / thumbs.address(image.path)).with_name(".abc.tmp")
    left.write_bytes(b"half")
    store.close()
    with Store(store.folder, write=True):
        assert not left.exists()


@pytest.mark.parametrize("picture", ["../../x.png", "images/ab/x.png", "/etc/passwd", f"images/aa/{'ab' * 32}.png"])
def test_a_path_that_is_no_picture_has_no_thumbnail(tmp_path: Path, picture):
    assert not thumbs.keep(tmp_path, picture, SECRET)
    assert thumbs.kept(tmp_path, picture) is None
    with pytest.raises(StoreError, match="no picture of this folder"):
        thumbs.of(tmp_path, picture)
    assert list(tmp_path.iterdir()) == []
