"""Pictures that exist become a study that every verb reads like one that was made here."""

from __future__ import annotations

import json
import os
import shutil
import tomllib
import uuid
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.imports import files
from tests.imports.folders import PROMPTS, USER, a1111, digests, drawn, grid, midjourney, with_texts
from tests.imports.graphs import PLAIN, changed

from teststrip.errors import StoreError, StudyError, UsageError
from teststrip.pictures import thumbnail
from teststrip.results import open_result
from teststrip.study import reopen
from teststrip.study.prompts import fill
from teststrip.verbs import export, imported, importing, verify
from teststrip.verbs.importing import Import
from teststrip.verbs.run import drive


def put(folder: Path, **pictures: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in pictures.items():
        (folder / f"{name}.png").write_bytes(data)
    return folder


def prepared(folder: Path, **asked: Any) -> Import:
    return importing.prepare(folder, **asked)


def axes(found: Import) -> dict[str, tuple[str, ...]]:
    assert found.study is not None
    return {axis.name: axis.labels for axis in found.study.axes}


def told(found: Import) -> str:
    return "\n".join(imported.lines(found, whole=True))


def test_a_grid_becomes_a_paired_study_with_report_and_page(tmp_path: Path) -> None:
    source = grid(tmp_path / "My Grid!")
    before = digests(source)
    found = prepared(source)
    assert axes(found) == {"num_inference_steps": ("5", "40"), "guidance_scale": ("3", "9")}
    assert found.study is not None
    assert (found.study.name, found.study.seeds, found.design.paired) == ("my-grid", (1, 2, 3), True)
    assert "Study: num_inference_steps 2 × guidance_scale 2 × 6 prompts × 3 replicates" in told(found)
    out = tmp_path / "out"
    with importing.carry_out(found, out).result as result:
        assert result.paired_seeds
        assert sum(row.image is not None for row in result.rows()) == 72
        assert all(finding.paired for finding in result.findings)
        axis = next(one for one in result.findings if one.kind == "axis" and one.axis == "num_inference_steps")
        assert axis.metric == "sharpness"
    assert (out / "report.md").is_file()
    assert (out / "page" / "index.html").is_file()
    assert digests(source) == before
    kept = digests(out / "imported")
    assert sorted(before.values()) == sorted(digest for name, digest in kept.items() if name.endswith(".png"))
    assert all(name.startswith(digest) for name, digest in kept.items() if name.endswith(".png"))


def test_it_goes_on_verifies_and_exports_like_any_study_also_where_it_was_moved(tmp_path: Path) -> None:
    with importing.carry_out(prepared(grid(tmp_path / "grid", PROMPTS[:2])), tmp_path / "first").result:
        pass
    moved = tmp_path / "elsewhere" / "second"
    moved.parent.mkdir()
    (tmp_path / "first").rename(moved)
    shutil.rmtree(tmp_path / "grid")
    shutil.rmtree(moved / "images")
    outcome = drive(moved, trackers=())
    assert (outcome.made, outcome.failed) == (24, 0)
    outcome.result.close()
    assert str(tmp_path) not in (moved / "study.toml").read_text("utf-8")
    with open_result(moved) as result:
        checked = verify.verify(result, "100%")
        assert checked.good
        assert not checked.skipped
        table = export.write(result, "csv", None).read_text("utf-8")
    assert table.count("\n") >= 24
    assert "num_inference_steps" in table


def test_midjourney_becomes_an_unpaired_study_and_its_user_is_in_no_byte(tmp_path: Path) -> None:
    source = midjourney(tmp_path / "mj")
    found = prepared(source)
    assert axes(found) == {"stylize": ("0", "250")}
    assert (found.design.paired, found.design.replicates, len(found.design.placed)) == (False, 4, 48)
    assert "not paired" in told(found)
    out = tmp_path / "out"
    with importing.carry_out(found, out).result as result:
        assert not result.paired_seeds
        assert result.findings
        assert not any(finding.paired for finding in result.findings)
        images = [row.image for row in result.rows()]
        assert all(image is not None and image.facts["job"] for image in images)
    assert "Not paired" in (out / "report-full.md").read_text("utf-8")
    secret = USER.encode()
    for path in out.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert secret not in data, path
            for place in range(len(data)):  # what is packed inside
                if data[place : place + 1] == b"x" and data[place + 1 : place + 2] in (b"\x01", b"\x9c", b"\xda"):
                    try:
                        assert secret not in zlib.decompressobj().decompress(data[place:], 2**20), path
                    except zlib.error:
                        continue
        assert USER not in path.name
    assert secret in next(iter(source.iterdir())).read_bytes()


@pytest.mark.parametrize("form", ["png", "jpg", "webp"])
def test_the_user_of_a_file_that_has_midjourneys_name_alone_is_in_no_byte(tmp_path: Path, form: str) -> None:
    source = tmp_path / "in"
    source.mkdir()
    rows = ["file,prompt,stylize"]
    artist = USER.encode() + b"\0"
    for n in range(4):
        name = f"{USER}_an_owl_{uuid.UUID(int=n + 1)}_{n % 4}.{form}"
        data = with_texts(drawn("an owl", n), Author=USER, Description=f"an owl by {USER}", Artist=USER)
        if form != "png":
            packet = files.xmp(f"<dc:creator>{USER}</dc:creator>")
            data = files.photo({0x013B: artist}, form={"jpg": "JPEG", "webp": "WEBP"}[form], xmp=packet, seed=n)
        (source / name).write_bytes(data)
        rows.append(f"{name},an owl,{100 + 150 * (n % 2)}")
    (source / "t.csv").write_text("\n".join(rows))
    importing.write(prepared(source), tmp_path / "out")
    kept = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(kept) == 6
    assert not [path.name for path in kept if USER.encode() in path.read_bytes() or USER in path.name]


def test_the_author_of_another_tools_picture_stays(tmp_path: Path) -> None:
    source = put(tmp_path / "in", a=with_texts(a1111("an owl", 1), Author=USER), b=a1111("an owl", 2))
    importing.write(prepared(source), tmp_path / "out")
    assert set(digests(source).values()) <= set(digests(tmp_path / "out").values())


def test_the_four_pictures_of_a_job_are_replicates_in_their_order(tmp_path: Path) -> None:
    found = prepared(midjourney(tmp_path / "mj", PROMPTS[:1]))
    places = {(one.picture.said.job, one.picture.said.index): one.replicate for one in found.design.placed}
    assert {replicate for (_, index), replicate in places.items() if index == 2} == {2}


def test_a_look_writes_nothing_and_says_all_to_programs(tmp_path: Path) -> None:
    source = grid(tmp_path / "grid", PROMPTS[:1])
    before = digests(tmp_path)
    found = prepared(source)
    told(found)
    said = json.loads(json.dumps(imported.as_json(found)))
    assert digests(tmp_path) == before
    assert (len(said["pictures"]), said["axes"]) == (12, ["num_inference_steps", "guidance_scale"])
    assert tomllib.loads(said["study"])["engine"] == {"name": "folder", "source": "imported", "paired": True}


def test_of_many_prompts_and_exclusions_a_look_shows_the_first(tmp_path: Path) -> None:
    steps = {n: (10 + n % 8, 3.0 + n // 8) for n in range(32)}
    pictures = {
        f"p{n:02}{k:02}": a1111(f"prompt {k:02}", 1, steps=steps[n][0], cfg=steps[n][1], draw_seed=100 * n + k + 1)
        for n in range(32)
        for k in range(12)
        if (n * 7) % 32 < 16 or k == n == 0
    }
    found = prepared(put(tmp_path / "in", **pictures))
    shown = told(found)
    assert found.study is not None
    assert "prompt 06" in shown
    assert "prompt 11" not in shown
    assert "  # … and 5 more\n]" in shown
    assert shown.count("\n[[exclude]]\n") == 7
    assert f"# … and {len(found.study.exclusions) - 7} more [[exclude]]" in shown
    assert shown.rstrip().endswith("margin = 0.2")


def test_the_study_file_that_is_shown_is_the_one_that_is_written(tmp_path: Path) -> None:
    found = prepared(grid(tmp_path / "grid", PROMPTS[:2]))
    importing.carry_out(found, tmp_path / "out").result.close()
    assert (tmp_path / "out" / "study.toml").read_text("utf-8") == found.text


def test_a_table_beside_the_pictures_wins_over_what_they_say(tmp_path: Path) -> None:
    source = put(
        tmp_path / "in", a=a1111("an owl", 1), b=a1111("an owl", 2, more=", Clip skip: 2"), c=drawn("a cat", 3)
    )
    (source / "about.csv").write_text(
        "File,Prompt,CFG scale,seed,Sampler\na.png,,3,,\nb.png,a fox,9,77,DPM++ 2M Karras\n"
        "c.png,a cat,3,,\nd.png,x,1,,\n"
    )
    found = prepared(source)
    said = {one.name: one.said for one in found.source.pictures}
    assert (said["a.png"].prompt, said["a.png"].settings["guidance_scale"], said["a.png"].seed) == ("an owl", 3.0, "1")
    assert (said["b.png"].prompt, said["b.png"].seed) == ("a fox", "77")
    assert said["b.png"].settings["scheduler"] == "DPMSolverMultistepScheduler"
    assert (said["c.png"].tool, said["c.png"].prompt) == ("CSV", "a cat")
    assert found.source.missing == ("d.png",)
    assert "about.csv beside them wins" in told(found)


@pytest.mark.parametrize("sign", [",", ";", "\t"])
@pytest.mark.parametrize("code", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_pictures_without_any_words_become_a_study_by_a_table_alone(tmp_path: Path, sign: str, code: str) -> None:
    source = put(tmp_path / "in", **{f"p{n}": drawn("an owl", n) for n in range(8)})
    rows = [sign.join((f"p{n}.png", '"a café, at night"', str(n // 4), "low" if n % 2 else "high")) for n in range(8)]
    (source / "t.csv").write_text("\n".join([sign.join(("image", "prompt", "seed", "quality")), *rows]), encoding=code)
    found = prepared(source)
    assert axes(found) == {"quality": ("high", "low")}
    assert found.design.prompts == ("a café, at night",)


def test_a_row_is_for_the_file_that_it_names_and_for_no_other_of_that_name(tmp_path: Path) -> None:
    source = put(tmp_path / "in", a=drawn("an owl", 1))
    put(source / "old", b=drawn("a cat", 2), c=drawn("a cat", 3))
    (source / "t.csv").write_text("file,prompt,steps\na.png,an owl,10\nb.png,an owl,20\n")
    (source / "old" / "t.csv").write_text("file,prompt,steps\nc.png,an owl,30\n")
    found = prepared(source).source
    said = {one.name: (one.said.prompt, dict(one.said.settings)) for one in found.pictures}
    assert said["old/b.png"] == ("", {})
    assert said["a.png"] == ("an owl", {"num_inference_steps": 10})
    assert said["old/c.png"] == ("an owl", {"num_inference_steps": 30})
    assert found.missing == ("b.png",)


@pytest.mark.parametrize(
    ("head", "rows", "why"),
    [
        ("steps", ("20", "50"), "num_inference_steps is '20' and '50'"),
        ("prompt", ("an owl", "a cat"), "prompt is 'an owl' and 'a cat'"),
        ("seed", ("1", "2"), "seed is '1' and '2'"),
        ("sampler", ("DPM++ 2M", "DPM++ 2M Karras"), "sampler is 'scheduler DPM"),
    ],
)
def test_two_tables_that_contradict_each_other_are_both_named(
    tmp_path: Path, head: str, rows: tuple[str, str], why: str
) -> None:
    source = put(tmp_path / "in" / "sub", p=drawn("an owl", 1)).parent
    (source / "a.csv").write_text(f"file,{head}\nsub/p.png,{rows[0]}\n")
    (source / "sub" / "b.csv").write_text(f"file,{head}\np.png,{rows[1]}\n")
    with pytest.raises(UsageError, match=f"^a.csv and sub/b.csv contradict each other on sub/p.png: {why}"):
        prepared(source)


def test_tables_that_agree_are_put_together(tmp_path: Path) -> None:
    source = put(tmp_path / "in", p=drawn("an owl", 1))
    (source / "a.csv").write_text("file,prompt,steps\np.png,an owl,20\n")
    (source / "b.csv").write_text("file,steps,cfg\np.png,20,7\n")
    (one,) = prepared(source).source.pictures
    assert (one.said.prompt, one.said.settings) == ("an owl", {"num_inference_steps": 20, "guidance_scale": 7.0})
    assert prepared(source).source.tables == ("a.csv", "b.csv")


def test_a_table_about_something_else_is_left_alone(tmp_path: Path) -> None:
    source = grid(tmp_path / "grid", PROMPTS[:1])
    (source / "money.csv").write_text("date,amount\n1,2\n")
    assert prepared(source).source.tables == ()


def test_copies_count_once_even_where_they_lost_their_words(tmp_path: Path) -> None:
    one = a1111("an owl", 1)
    source = put(tmp_path / "in", a=one, b=one, c=drawn("an owl", 1, steps=20, guidance=7.0), d=a1111("an owl", 2))
    found = prepared(source)
    assert [one.picture.name for one in found.design.placed] == ["a.png", "d.png"]
    assert found.design.left_out == (("b.png", "it is a copy of a.png"), ("c.png", "it is a copy of a.png"))


def test_equal_pixels_of_other_settings_are_no_copies_but_a_dead_axis(tmp_path: Path) -> None:
    pictures = {
        f"p{seed}{eta}": with_texts(drawn("owl", seed), parameters=f"owl\nSteps: 20, Eta: {eta}, Seed: {seed}")
        for seed in (1, 2, 3)
        for eta in (0, 1)
    }
    found = prepared(put(tmp_path / "in", **pictures))
    assert axes(found) == {"eta": ("0", "1")}
    assert len(found.design.placed) == 6


def test_missing_places_are_missing_and_empty_settings_are_left_out(tmp_path: Path) -> None:
    source = grid(tmp_path / "grid", PROMPTS[:2])
    for path in source.iterdir():
        text = path.read_bytes()
        if b"Steps: 40" in text and b"CFG scale: 9" in text:
            path.unlink()
    min(source.iterdir()).unlink()
    found = prepared(source)
    assert found.study is not None
    assert found.study.exclusions == ({"num_inference_steps": ("40",), "guidance_scale": ("9",)},)
    assert imported.missing(found) == 1
    outcome = importing.carry_out(found, tmp_path / "out")
    assert (outcome.made, outcome.failed) == (17, 1)
    with outcome.result as result:
        (failure,) = result.store.failures().values()
    assert "none for this place" in failure.text


def test_what_changes_with_the_prompt_alone_is_no_axis_unless_it_is_asked_for(tmp_path: Path) -> None:
    pictures = {
        f"p{n}{cfg}": a1111(prompt, 1, cfg=cfg, more=f", Model: m{n}")
        for n, prompt in enumerate(PROMPTS)
        for cfg in (3.0, 9.0)
    }
    source = put(tmp_path / "in", **pictures)
    found = prepared(source)
    assert axes(found) == {"guidance_scale": ("3", "9")}
    assert found.design.by_prompt == ("model",)
    assert "model" in axes(prepared(source, axes=["model"]))
    importing.carry_out(found, tmp_path / "out").result.close()


def test_a_word_that_differs_in_nearly_every_picture_is_no_axis(tmp_path: Path) -> None:
    pictures = {f"p{n}": a1111("an owl", n, cfg=3 + n % 2, more=f", Render id: {n * 7}") for n in range(20)}
    found = prepared(put(tmp_path / "in", **pictures))
    assert axes(found) == {"guidance_scale": ("3", "4")}
    assert found.design.noise == ("render_id",)
    importing.carry_out(found, tmp_path / "out").result.close()


def test_times_and_versions_are_never_axes(tmp_path: Path) -> None:
    def picture(n: int) -> bytes:
        return a1111("an owl", n // 2, cfg=3 + n % 2, more=f", Version: v{n % 3}, Time taken: {n % 5} s")

    pictures = {f"p{n}": picture(n) for n in range(8)}
    assert axes(prepared(put(tmp_path / "in", **pictures))) == {"guidance_scale": ("3", "4")}


def test_settings_that_always_change_together_are_one_axis(tmp_path: Path) -> None:
    pictures = {
        f"p{seed}{n}": a1111("an owl", seed, steps=10 + n, cfg=3 + n, more=f", Model: m{n}")
        for seed in (1, 2, 3)
        for n in (0, 1)
    }
    found = prepared(put(tmp_path / "in", **pictures))
    assert axes(found) == {
        "num_inference_steps and guidance_scale and model": (
            "num_inference_steps 10, guidance_scale 3, model m0",
            "num_inference_steps 11, guidance_scale 4, model m1",
        )
    }
    importing.carry_out(found, tmp_path / "out").result.close()


def test_samplers_and_sizes_are_one_axis_each_under_the_names_that_people_use(tmp_path: Path) -> None:
    def text(sampler: str, size: str, seed: int) -> str:
        return f"an owl\nSteps: 20, Sampler: {sampler}, CFG scale: 7, Seed: {seed}, Size: {size}"

    pictures = {
        f"p{a}{b}{seed}": with_texts(drawn("an owl", 100 * a + 10 * b + seed), parameters=text(sampler, size, seed))
        for a, sampler in enumerate(("DPM++ 2M Karras", "DPM++ 2M", "Euler a", "DPM++ 2M SDE Karras"))
        for b, size in enumerate(("24x24", "48x24", "24x48"))
        for seed in (1, 2)
    }
    found = prepared(put(tmp_path / "in", **pictures))
    assert {name: {*labels} for name, labels in axes(found).items()} == {
        "sampler": {"DPM++ 2M Karras", "DPM++ 2M", "Euler a", "DPM++ 2M SDE Karras"},
        "size": {"24x24", "48x24", "24x48"},
    }
    importing.carry_out(found, tmp_path / "out").result.close()


def test_what_a_tool_leaves_out_is_its_default_or_a_level_but_never_a_made_up_number(tmp_path: Path) -> None:
    pictures = {f"p{seed}": a1111("an owl", seed) for seed in (1, 2)}
    pictures |= {f"q{seed}": a1111("an owl", seed, cfg=8, more=", Clip skip: 2") for seed in (1, 2)}
    pictures |= {f"r{seed}": a1111("an owl", seed, cfg=9, more=", Hires upscaler: Latent") for seed in (1, 2)}
    pictures["s"] = with_texts(
        drawn("an owl", 9), parameters="an owl\nSteps: 20, Sampler: Euler a, Seed: 1, Size: 24x24"
    )
    found = prepared(put(tmp_path / "in", **pictures))
    assert dict(found.design.left_out) == {"s.png": "it does not say its guidance_scale, which others of A1111 say"}
    values = {one.picture.name: one.picture.said.settings for one in found.design.placed}
    assert values["p1.png"]["clip_skip"] == 0
    assert values["p1.png"]["hires_upscaler"] == "none"
    importing.carry_out(found, tmp_path / "out").result.close()


@pytest.mark.parametrize("seeds", [(2**64 - 1, 2**40), (-2, -7), (0, 2**32)])
def test_seeds_that_no_study_can_have_pair_pictures_all_the_same(tmp_path: Path, seeds: tuple[int, ...]) -> None:
    pictures = {
        f"p{n}{m}": a1111("an owl", seed, cfg=cfg, draw_seed=n + 1)
        for n, seed in enumerate(seeds)
        for m, cfg in enumerate((3.0, 9.0))
    }
    found = prepared(put(tmp_path / "in", **pictures))
    assert (found.design.paired, found.design.seeds) == (True, (0, 1))
    with importing.carry_out(found, tmp_path / "out").result as result:
        there = {str(row.image.facts["their_seed"]) for row in result.rows() if row.image}
    assert there == {str(seed) for seed in seeds}


def test_seeds_of_each_prompts_own_are_replicates_that_pair_within_it(tmp_path: Path) -> None:
    pictures = {
        f"p{n}{k}{m}": a1111(prompt, 1000 * n + k, cfg=cfg)
        for n, prompt in enumerate(PROMPTS)
        for k in (1, 2)
        for m, cfg in enumerate((3.0, 9.0))
    }
    found = prepared(put(tmp_path / "in", **pictures))
    assert (found.design.paired, found.design.seeds, found.design.replicates) == (True, None, 2)
    outcome = importing.carry_out(found, tmp_path / "out")
    assert outcome.failed == 0
    outcome.result.close()


def test_a_seed_of_minus_one_is_any_seed_and_pairs_nothing(tmp_path: Path) -> None:
    pictures = {
        f"p{n}{m}": a1111("an owl", -1, cfg=cfg, draw_seed=10 * n + m + 1)
        for n in range(3)
        for m, cfg in enumerate((3, 9))
    }
    found = prepared(put(tmp_path / "in", **pictures))
    assert (found.design.paired, found.design.replicates) == (False, 3)


def test_sheets_of_several_pictures_are_left_out_and_upscaled_ones_are_not(tmp_path: Path) -> None:
    words = {"parameters": "an owl\nSteps: 20, CFG scale: 7, Seed: 1, Size: 16x16"}
    plot = {"parameters": words["parameters"] + ', Script: X/Y/Z plot, X Type: Steps, X Values: "10,20"'}
    source = put(
        tmp_path / "in",
        one=files.png(words, seed=1),
        upscaled=files.png(words, seed=2, size=(32, 32)),
        sheet=files.png(words, seed=3, size=(48, 16)),
        plot=files.png(plot, seed=4),
        **{"grid-0001": files.png(words, seed=5, size=(32, 32))},
    )
    found = prepared(source)
    assert {one.picture.name for one in found.design.placed} == {"one.png", "upscaled.png"}
    assert {name for name, _ in found.design.left_out} == {"sheet.png", "plot.png", "grid-0001.png"}


def test_what_pictures_cost_is_counted_in_steps_where_they_say_them(tmp_path: Path) -> None:
    with importing.carry_out(prepared(grid(tmp_path / "grid", PROMPTS[:1])), tmp_path / "out").result as result:
        costs = {row.image.facts["denoiser_calls"] for row in result.rows() if row.image}
    assert costs == {10, 80}
    with importing.carry_out(prepared(midjourney(tmp_path / "mj", PROMPTS[:1])), tmp_path / "two").result as result:
        assert not any("denoiser_calls" in row.image.facts for row in result.rows() if row.image)


def test_seeds_that_come_once_pair_nothing(tmp_path: Path) -> None:
    pictures = {f"p{n}": a1111(PROMPTS[n % 3], 1000 + n, cfg=3.0 if n % 2 else 9.0) for n in range(18)}
    found = prepared(put(tmp_path / "in", **pictures))
    assert not found.design.paired
    with importing.carry_out(found, tmp_path / "out").result as result:
        assert not result.paired_seeds
        assert not any(finding.paired for finding in result.findings)


def test_a_batch_of_one_seed_is_told_apart_by_the_order_of_names(tmp_path: Path) -> None:
    pictures = {
        f"p{m}{k}": a1111("an owl", 5, cfg=cfg, draw_seed=k + 1) for m, cfg in enumerate((3, 9)) for k in range(3)
    }
    found = prepared(put(tmp_path / "in", **pictures))
    assert (found.design.paired, found.design.replicates) == (True, 3)
    assert "several pictures of one setting share a seed" in told(found)
    assert {one.picture.name: one.replicate for one in found.design.placed}["p12.png"] == 2


def test_a_word_can_be_given_another_meaning(tmp_path: Path) -> None:
    pictures = {
        f"p{seed}{n}": with_texts(
            drawn("an owl", seed, steps=n), parameters=f"an owl\nSteps: 1, Passes: {n}, Seed: {seed}"
        )
        for seed in (1, 2)
        for n in (5, 9)
    }
    source = put(tmp_path / "in", **pictures)
    assert axes(prepared(source)) == {"passes": ("5", "9")}
    assert axes(prepared(source, renamed={"Passes": "num_inference_steps"})) == {"num_inference_steps": ("5", "9")}
    with pytest.raises(UsageError, match="Did you mean 'passes'"):
        prepared(source, renamed={"passess": "x"})
    with pytest.raises(UsageError, match="cannot be the name of a setting"):
        prepared(source, renamed={"passes": "../x"})


def test_an_axis_that_no_picture_has_is_an_error_with_the_nearest_name(tmp_path: Path) -> None:
    source = grid(tmp_path / "grid", PROMPTS[:1])
    with pytest.raises(UsageError, match="Did you mean 'guidance_scale'"):
        prepared(source, axes=["guidance_skale"])
    with pytest.raises(UsageError, match="all pictures have the same"):
        prepared(source, axes=["sampler"])


def test_pictures_that_vary_in_every_way_are_compared_as_whole_settings(tmp_path: Path) -> None:
    pictures = {
        f"p{n:03}": a1111(
            PROMPTS[k], 1, steps=10 + n, cfg=3 + (n * 7) % 23, more=f", Eta: {(n * 5) % 11}", draw_seed=n + 1
        )
        for k in range(2)
        for n in range(k, 24, 1)
    }
    found = prepared(put(tmp_path / "in", **pictures))
    assert list(axes(found)) == ["whole settings"]
    importing.carry_out(found, tmp_path / "out").result.close()


def test_tools_beside_each_other_are_an_axis(tmp_path: Path) -> None:
    source = midjourney(tmp_path / "in", PROMPTS[:2])
    for path in grid(tmp_path / "grid", PROMPTS[:2]).iterdir():
        path.rename(source / path.name)
    found = prepared(source)
    assert axes(found) == {
        "whole settings": (
            *(f"A1111, num_inference_steps {steps}, guidance_scale {cfg}" for steps in (5, 40) for cfg in (3, 9)),
            *("Midjourney, stylize 0", "Midjourney, stylize 250"),
        )
    }
    outcome = importing.carry_out(found, tmp_path / "out")
    assert outcome.made == len(found.design.placed) == 40
    outcome.result.close()


STRANGE = [
    *('"quotes" and \\ back', "{braces} {{twice}} {1girl}", "<script>alert(1)</script>", "=cmd()", "a\ttab", "'''"),
    *("🦉 \u202e right", "two\nlines", '[engine]\nname = "x"'),
]


def test_prompts_of_strangers_arrive_as_they_are(tmp_path: Path) -> None:
    pictures = {
        f"p{n}{m}": with_texts(
            drawn("x", n, guidance=cfg), parameters=f"{prompt}\nSteps: 20, CFG scale: {cfg}, Seed: 1, Size: 24x24"
        )
        for n, prompt in enumerate(STRANGE)
        for m, cfg in enumerate((3, 9))
    }
    found = prepared(put(tmp_path / "in", **pictures))
    assert {*found.design.prompts} == {*STRANGE}
    with importing.carry_out(found, tmp_path / "out").result as result:
        assert {row.planned.shot.prompt for row in result.rows() if row.image} == {*STRANGE}
    assert "<script>alert" not in (tmp_path / "out" / "page" / "index.html").read_text("utf-8")


@given(st.text(st.sampled_from("{}ab1_ -"), max_size=24))
def test_a_prompt_in_braces_is_no_place_to_fill(text: str) -> None:
    assert fill(importing.escaped(text), {}) == text


@pytest.mark.parametrize("name", ["..", "con", "\x1b[31mred", "ÄÖ", "a" * 200, "-", "nul.png"])
def test_any_folder_gives_a_name_that_a_study_can_have(tmp_path: Path, name: str) -> None:
    home = tmp_path / "home"
    source = grid(home / "in", PROMPTS[:1])
    if name != "..":
        source = source.rename(home / name)
    found = prepared(source / "sub" / ".." if name == ".." and not (source / "sub").mkdir() else source)
    assert found.study is not None
    importing.carry_out(found, tmp_path / "out").result.close()
    assert reopen(tmp_path / "out" / "study.toml").name == found.study.name


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_links_pipes_hidden_and_broken_files_are_told_or_left_out(tmp_path: Path) -> None:
    source = grid(tmp_path / "in", PROMPTS[:1])
    outside = put(tmp_path / "outside", secret=a1111("a secret", 1))
    (source / "link.png").symlink_to(outside / "secret.png")
    (source / "folder").symlink_to(outside, target_is_directory=True)
    os.mkfifo(source / "pipe.png")
    (source / ".hidden.png").write_bytes(a1111("hidden", 1))
    (source / "cut.png").write_bytes(files.png()[:50])
    (source / "text.jpg").write_text("no picture")
    found = prepared(source)
    assert found.design.prompts == (PROMPTS[0],)
    assert {name for name, _ in found.source.unreadable} == {"pipe.png", "cut.png", "text.jpg"}
    assert "not readable" in told(found)


def test_the_source_and_folders_that_are_there_stay_as_they_are(tmp_path: Path) -> None:
    source = grid(tmp_path / "in", PROMPTS[:1])
    before = digests(tmp_path)
    found = prepared(source)
    with pytest.raises(UsageError, match="lies in the source"):
        importing.carry_out(found, source / "out")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(StoreError, match="is there already"):
        importing.carry_out(found, tmp_path / "full")
    (tmp_path / "full" / "mine.txt").unlink()
    assert digests(tmp_path) == before


def test_what_no_study_can_hold_leaves_no_folder_behind(tmp_path: Path) -> None:
    key = "hf_" + "A1b2C3d4E5" * 4
    source = put(tmp_path / "in", a=a1111(f"an owl with {key}", 1), b=a1111(f"an owl with {key}", 1, cfg=9))
    with pytest.raises(StudyError) as error:
        importing.carry_out(prepared(source), tmp_path / "out")
    assert key not in str(error.value)
    assert not (tmp_path / "out").exists()
    with pytest.raises(UsageError, match="Did you mean 'sharpness'"):
        prepared(source, metrics=["sharpnes"])


def test_pictures_that_say_nothing_are_told_so_and_how_to_help(tmp_path: Path) -> None:
    found = prepared(put(tmp_path / "in", a=files.png(), b=files.png(seed=2)))
    assert found.study is None
    assert "2 pictures left out, because it says no prompt" in told(found)
    with pytest.raises(UsageError, match="Write a CSV"):
        importing.carry_out(found, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    for wrong, why in ((tmp_path / "none", "no such folder"), (tmp_path / "x.zip", "Unpack it")):
        with pytest.raises(UsageError, match=why):
            prepared(wrong)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no PNG, JPEG or WebP"):
        prepared(tmp_path / "empty")


def test_pictures_of_a_study_of_ours_can_be_imported_again(tmp_path: Path) -> None:
    with importing.carry_out(prepared(grid(tmp_path / "grid", PROMPTS[:2])), tmp_path / "first").result:
        pass
    found = prepared(tmp_path / "first" / "images")
    assert {*axes(found)} == {"num_inference_steps", "guidance_scale"}
    assert {one.said.tool for one in found.source.pictures} == {"Teststrip"}


def test_graphs_of_comfyui_become_a_study_and_what_is_odd_about_them_is_in_the_report(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    image = {"class_type": "LoadImage", "inputs": {"image": "me.png"}}
    latent = {"class_type": "VAEEncode", "inputs": {"pixels": ["30", 0]}}
    for n, (cfg, seed) in enumerate((cfg, seed) for cfg in (3.0, 8.0) for seed in (1, 2, 3)):
        graph = changed(PLAIN, n3={"cfg": cfg, "seed": seed, "latent_image": ["31", 0]}, n30=image, n31=latent)
        said = ("prompt:" + json.dumps(graph)).encode()
        (source / f"{n}.webp").write_bytes(files.photo({0x010F: said}, form="WEBP", seed=n))
    found = prepared(source)
    assert axes(found) == {"guidance_scale": ("3", "8")}
    assert found.design.paired
    with importing.carry_out(found, tmp_path / "out").result as result:
        said_of = {str(row.image.facts["said"]) for row in result.rows() if row.image}
    assert said_of == {"['image-to-image: the picture was made from another picture']"}
    assert "image-to-image" in (tmp_path / "out" / "report-full.md").read_text("utf-8")


def test_what_only_nodes_of_a_graph_differ_in_is_an_axis_and_no_replicate(tmp_path: Path) -> None:
    pictures = {}
    for n, (seed, layer, b1) in enumerate((s, layer, b) for s in (1, 2) for layer in (-1, -2) for b in (1.1, 1.2)):
        last = {"class_type": "CLIPSetLastLayer", "inputs": {"stop_at_clip_layer": layer, "clip": ["4", 1]}}
        free = {"class_type": "FreeU", "inputs": {"model": ["4", 0], "b1": b1, "b2": 1.4}}
        graph = changed(
            PLAIN,
            n3={"seed": seed, "model": ["21", 0]},
            n6={"clip": ["20", 0]},
            n7={"clip": ["20", 0]},
            n9={"filename_prefix": f"mine{n}"},
            n20=last,
            n21=free,
        )
        pictures[f"p{n}"] = with_texts(drawn("an owl", n), prompt=json.dumps(graph))
    found = prepared(put(tmp_path / "in", **pictures))
    assert axes(found) == {"clip_skip": ("0", "1"), "freeu_b1": ("1.1", "1.2")}
    assert (found.design.seeds, found.design.paired, found.design.constants["freeu_b2"]) == ((1, 2), True, 1.4)
    importing.write(found, tmp_path / "out")


def test_photos_keep_their_bytes_and_small_copies_are_made(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    for n in range(4):
        said = f"an owl\nSteps: {10 + n % 2}, CFG scale: 7, Seed: {n // 2}, Size: 16x16"
        form, ending = (("JPEG", "jpg"), ("WEBP", "webp"))[n % 2]
        (source / f"{n}.{ending}").write_bytes(files.photo(files.comment(said), form=form, seed=n))
    importing.carry_out(prepared(source), tmp_path / "out").result.close()
    kept = {path.read_bytes() for path in (tmp_path / "out" / "imported").iterdir() if path.suffix != ".jsonl"}
    assert kept == {path.read_bytes() for path in source.iterdir()}
    assert all(thumbnail(data, 8) for data in kept)
