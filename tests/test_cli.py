"""What the command says and returns."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests import installing, studies
from tests.command import command, environment, run
from teststrip import plugins, study
from teststrip.store import Store
from teststrip.study.cells import places
from teststrip.verbs import extent

LITTLE: Mapping[str, Any] = {
    "prompts": ["a rose", "an owl"],
    "settings": {"width": 16, "height": 16},
    "axes": {"guidance_scale": [1, 3]},
}
HEAVY = ["numpy", "torch", "diffusers", "transformers", "pandas", "scipy", "PIL"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    studies.write(tmp_path, "study.toml", **LITTLE)
    return tmp_path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the study of `folder` has run; to be copied."""
    place = tmp_path_factory.mktemp("made")
    studies.write(place, "study.toml", **LITTLE)
    command("run", "study.toml", cwd=place)
    return place


@pytest.fixture
def finished(made: Path, tmp_path: Path) -> Path:
    """A folder of the test's own in which the study of `folder` has run."""
    return shutil.copytree(made, tmp_path / "finished")


def modules_after(code: str, cwd: Path) -> set[str]:
    """The top-level modules a fresh interpreter holds after running some code."""
    script = f"{code}\nimport sys; print('\\n'.join(sorted({{name.split('.')[0] for name in sys.modules}})))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=cwd, env=environment(), capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "words",
    [
        None,
        ["--help"],
        ["plan", "study.toml", "--no-calibrate"],
        ["plan", "default.toml", "--no-calibrate"],
        ["plan", "options.toml", "--no-calibrate"],
    ],
    ids=["import", "help", "plan", "plan on the embedded model", "plan with options of metrics"],
)
def test_what_should_be_instant_loads_nothing_heavy(folder: Path, words: list[str] | None) -> None:
    (folder / "default.toml").write_text('name = "d"\nprompts = ["an owl"]\n[axes]\nguidance_scale = [1, 3]\n')
    options = '[question]\nmetrics = ["diversity", "convergence_features"]\n[metrics.diversity]\nmodel = ""\n'
    (folder / "options.toml").write_text((folder / "default.toml").read_text() + options)
    code = "import teststrip"
    if words is not None:
        code += f"\nfrom teststrip.cli import main\nimport sys\nsys.argv = ['teststrip', *{words!r}]\n"
        code += "try:\n    main()\nexcept SystemExit as stop:\n    assert not stop.code, stop.code"
    assert not modules_after(code, folder).intersection(HEAVY)


def test_help_lists_every_verb(tmp_path: Path) -> None:
    said = command("--help", cwd=tmp_path).stdout
    for verb in [
        "init",
        "plan",
        "run",
        "report",
        "best",
        "verify",
        "view",
        "export",
        "engines",
        "metrics",
        "trackers",
        "doctor",
        "schema",
    ]:
        assert verb in said


def test_init_writes_a_file_that_plans_and_never_overwrites(tmp_path: Path) -> None:
    command("init", cwd=tmp_path)
    assert "images" in command("plan", "study.toml", "--no-calibrate", cwd=tmp_path).stdout
    assert "is there already" in command("init", cwd=tmp_path, code=2).stderr
    said = command("init", "--engine", "webui", "new.toml", cwd=tmp_path, code=2).stderr
    assert "the server's address is missing" in said


def test_plan_as_json_is_one_object_with_the_counts(folder: Path) -> None:
    plan = json.loads(command("plan", "study.toml", "--json", "--no-calibrate", cwd=folder).stdout)
    assert plan["images"] == 4
    assert plan["done"] == 0
    assert not (folder / "runs").exists(), "plan changes nothing"


def test_plan_calibrates_when_nothing_is_known_and_says_so(folder: Path) -> None:
    done = command("plan", "study.toml", cwd=folder, XDG_CACHE_HOME=str(folder / "cache"))
    assert "making two images to estimate the time" in done.stderr
    assert "calibration" in done.stdout
    assert not (folder / "runs").exists()
    again = command("plan", "study.toml", cwd=folder, XDG_CACHE_HOME=str(folder / "cache"))
    assert "making two images" in again.stderr, "a calibration is an estimate, not a record"
    command("run", "study.toml", "--limit", "3", cwd=folder)
    known = command("plan", "study.toml", cwd=folder)
    assert "making two images" not in known.stderr
    assert "earlier images" in known.stdout


def test_run_report_verify_agree(folder: Path) -> None:
    run = command("run", "study.toml", cwd=folder)
    assert "4 images made" in run.stderr
    assert (folder / "runs/little/page/index.html").is_file()
    assert (folder / "runs/little/report.md").is_file()
    report = json.loads(command("report", "runs/little", "--json", cwd=folder).stdout)
    assert report["study"] == "little"
    verified = command("verify", "runs/little", "--sample", "50%", cwd=folder).stdout
    assert "4 images re-hashed: all as recorded" in verified
    assert "2 made again: 2 equal to the pixel" in verified


def test_verify_finds_a_flipped_bit(finished: Path) -> None:
    victim = next((finished / "runs/little/images").rglob("*.png"))
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    said = command("verify", "runs/little", cwd=finished, code=3).stdout
    assert victim.name in said


def test_set_overrides_any_key(folder: Path) -> None:
    said = command("run", "study.toml", "--set", "axes.guidance_scale=[2,4,6]", "--set", "name=other", cwd=folder)
    assert "6 images made" in said.stderr
    assert (folder / "runs/other/study.toml").read_text().count("guidance_scale") >= 1


def test_a_failed_shot_gives_exit_code_3_and_its_reason(folder: Path) -> None:
    said = command("run", "study.toml", "--set", 'engine.fail="refused: guidance_scale=3"', cwd=folder, code=3)
    assert "2 without a picture: refused" in said.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "nowhere.toml"], "nowhere.toml"),
        (["report", "."], "no study is here"),
        (["view"], "Missing argument"),
        (["rum"], "No such command 'rum'"),
        (["run", "study.toml", "--set", "axes.guidance=[1]"], "Did you mean 'guidance_scale'"),
        (["run", "study.toml", "--tracker", "wanbd"], "unknown tracker 'wanbd'"),
        (["verify", "done", "--sample", "some"], "neither a number nor a share"),
        (["export", "done", "--to", "cvs"], "Did you mean 'csv'"),
        (["export", "done", "--to", "csv", "--pick", "best"], "csv has no option 'pick'"),
        (["view", "done", "--host", "0.0.0.0"], "a token of at least 32 characters is needed"),
    ],
)
def test_a_wrong_command_gets_one_clear_message_and_exit_code_2(finished: Path, words: list[str], message: str) -> None:
    (finished / "runs/little").rename(finished / "done")
    said = command(*words, cwd=finished, code=2).stderr
    assert message in " ".join(said.split())


VERBS = [["plan", "--no-calibrate"], ["run"], ["report"], ["best"], ["verify"], ["export", "--to", "csv"]]


@pytest.mark.parametrize("verb", VERBS, ids=lambda words: words[0])
def test_every_verb_takes_the_study_file_its_folder_or_a_part_of_that_folder(finished: Path, verb: list[str]) -> None:
    before = sorted(path.relative_to(finished) for path in finished.rglob("*"))
    said = {
        command(verb[0], path, *verb[1:], cwd=finished).stdout
        for path in ("study.toml", "runs/little", "runs/little/study.toml", "runs/little/report.md")
    }
    assert len(said) == 1
    after = sorted(path.relative_to(finished) for path in finished.rglob("*"))
    assert {path.name for path in set(after) ^ set(before)} <= {"little.csv"}


def test_a_run_in_a_folder_of_any_name_goes_on_there(folder: Path) -> None:
    command("run", "study.toml", "--out", "elsewhere", "--limit", "1", cwd=folder)
    assert "3 images made" in command("run", "elsewhere", cwd=folder).stderr
    assert not (folder / "runs").exists()


def test_a_study_file_that_has_not_run_says_what_to_do(folder: Path) -> None:
    said = command("report", "study.toml", cwd=folder, code=2).stderr
    assert "Run: teststrip run study.toml" in said


def test_nothing_is_said_of_one_in_the_plural(folder: Path) -> None:
    one = ["--set", 'prompts=["a rose"]', "--set", "axes.guidance_scale=[3]"]
    said = (
        command("plan", "study.toml", *one, cwd=folder).stdout + command("run", "study.toml", *one, cwd=folder).stderr
    )
    for verb in ("best", "verify"):
        said += command(verb, "runs/little", cwd=folder).stdout
    assert "1 image" in said
    plural = "images|prompts|seeds|replicates|settings|shots|cells|denoiser calls"
    assert not re.findall(rf".*(?<![\d.,])1 (?:{plural})\b.*", said)


def test_errors_cannot_command_the_terminal(folder: Path) -> None:
    (folder / "evil.toml").write_text('name = "x"\n"\\u001b[31mred" = 1\n')
    said = command("plan", "evil.toml", cwd=folder, code=2).stderr
    assert "\x1b" not in said


def test_lists_of_parts_name_what_is_installed(tmp_path: Path) -> None:
    assert "pattern" in command("engines", cwd=tmp_path).stdout
    assert "sharpness" in command("metrics", cwd=tmp_path).stdout
    assert "progress" in command("trackers", cwd=tmp_path).stdout


def test_lists_of_parts_are_json_for_programs(tmp_path: Path) -> None:
    engines = {one["name"]: one for one in json.loads(command("engines", "--json", cwd=tmp_path).stdout)["engines"]}
    assert "guidance_scale" in {knob["name"] for knob in engines["diffusers"]["settings"]}
    assert "EulerDiscreteScheduler" in engines["diffusers"]["names"]["scheduler"]
    assert {"dtype", "variant"} <= set(engines["diffusers"]["axes"])
    assert not {"device", "batch", "keep", "offload"} & set(engines["diffusers"]["axes"])
    assert engines["pattern"]["axes"] == []
    assert json.loads(command("engines", "pattern", "--json", cwd=tmp_path).stdout) == engines["pattern"]
    metrics = {one["name"]: one for one in json.loads(command("metrics", "--json", cwd=tmp_path).stdout)["metrics"]}
    assert metrics["sharpness"]["higher_is_better"] is None
    assert json.loads(command("metrics", "seconds", "--json", cwd=tmp_path).stdout) == metrics["seconds"]
    told = json.loads(command("trackers", "--json", cwd=tmp_path).stdout)["trackers"]
    assert {"progress", "wandb"} <= {one["name"] for one in told}
    assert "Did you mean 'pattern'?" in command("engines", "patern", "--json", cwd=tmp_path, code=2).stderr


def test_a_part_that_does_not_load_keeps_its_line_in_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installing.distribution(
        tmp_path / "site", "odd", {"metrics": {"odd": "odd:Odd"}}, "import not_installed_anywhere\n"
    )
    installing.reach(tmp_path / "site", monkeypatch)
    metrics = {one["name"]: one for one in json.loads(command("metrics", "--json", cwd=tmp_path).stdout)["metrics"]}
    assert "pip install not_installed_anywhere" in metrics["odd"]["missing"]
    assert "sharpness" in metrics


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("teststrip do", {"doctor"}),
        ("teststrip engines pat", {"pattern"}),
        ("teststrip metrics conv", {"convergence", "convergence_features", "convergence_ssim"}),
        ("teststrip run study.toml --tracker wan", {"wandb"}),
        ("teststrip export runs/x --to figures", {"figures-svg", "figures-pdf"}),
    ],
)
def test_a_shell_completes_commands_and_names(tmp_path: Path, words: str, offered: set[str]) -> None:
    asked = {"_TESTSTRIP_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    code = "import sys; sys.argv[0] = 'teststrip'; from teststrip.cli import main; main()"
    done = run([], program=("-c", code), cwd=tmp_path, env=environment(**asked))
    assert set(done.stdout.split()) == offered, done.stderr


def test_the_file_of_init_names_the_schema_beside_it(tmp_path: Path) -> None:
    command("init", "mine.toml", cwd=tmp_path)
    first = (tmp_path / "mine.toml").read_text().splitlines()[0]
    named = json.loads((tmp_path / first.removeprefix("#:schema ")).read_text())
    assert named == json.loads(command("schema", cwd=tmp_path).stdout)
    jsonschema.validate(tomllib.loads((tmp_path / "mine.toml").read_text()), named)
    with pytest.raises(jsonschema.ValidationError, match="guidance_scal"):
        jsonschema.validate({"prompts": ["an owl"], "axes": {}, "settings": {"guidance_scal": 3}}, named)


def test_engines_are_a_line_each_and_one_engine_is_told_whole(tmp_path: Path) -> None:
    lines = command("engines", cwd=tmp_path, COLUMNS="200").stdout.splitlines()
    assert len(lines) == 2 + len(plugins.installed("engines"))
    assert "teststrip engines NAME" in lines[-1]
    told = command("engines", "diffusers", cwd=tmp_path).stdout
    for word in ("guidance_scale", "EulerAncestralDiscreteScheduler", "num_images_per_prompt", "backend"):
        assert (word in told) == (word != "num_images_per_prompt")
    wide = command("engines", "diffusers", cwd=tmp_path, COLUMNS="200").stdout.splitlines()
    assert any(line.split()[:4] == ["dtype", "str", "auto", "yes"] for line in wide)
    assert any(line.split()[:4] == ["device", "str", "auto", "Where"] for line in wide)
    assert "Did you mean 'pattern'?" in command("engines", "patern", cwd=tmp_path, code=2).stderr


def test_an_engine_says_what_one_model_takes_with_its_own_defaults(tmp_path: Path) -> None:
    told = command("engines", "diffusers", "--model", "emoji", cwd=tmp_path, COLUMNS="200").stdout
    assert "guider " not in told, "only modular pipelines have one, and this is none"
    for word in ("Of StableDiffusionPipeline", "Of DDIMScheduler", "scheduler.timestep_spacing", "trailing", "7.5"):
        assert word in told
    assert "true_cfg_scale" not in told, "an argument of other pipelines is not listed"
    other = ("--scheduler", "UniPCMultistepScheduler")
    found = json.loads(command("engines", "diffusers", "--model", "emoji", *other, "--json", cwd=tmp_path).stdout)
    assert list(found["groups"]) == ["Of StableDiffusionPipeline", "Of the engine", "Of UniPCMultistepScheduler"]
    assert all(knob["doc"] for knobs in found["groups"].values() for knob in knobs), "a sentence each"
    assert "name the engine" in command("engines", "--model", "emoji", cwd=tmp_path, code=2).stderr
    assert "Leave that out" in command("engines", "pattern", "--model", "emoji", cwd=tmp_path, code=2).stderr
    wrong = command("engines", "diffusers", "--model", "emoji", "--scheduler", "UniPC", cwd=tmp_path, code=2).stderr
    assert "Did you mean 'UniPCMultistepScheduler'?" in wrong or "Known: DDIMScheduler" in wrong
    assert "is no folder" in command("engines", "diffusers", "--model", "emojo", cwd=tmp_path, code=2).stderr


@pytest.mark.parametrize("words", [["engines", "pattern"], ["metrics"], ["trackers"]], ids=" ".join)
def test_a_list_has_the_width_of_the_terminal_and_whole_lines_in_a_pipe(tmp_path: Path, words: list[str]) -> None:
    narrow = command(*words, cwd=tmp_path, COLUMNS="70").stdout.splitlines()
    assert max(map(len, narrow)) <= 70
    whole = [line for line in run(words, cwd=tmp_path, env=without_columns()).stdout.splitlines() if line]
    assert len(whole) < len(narrow)
    assert max(map(len, whole)) > 80


def without_columns() -> dict[str, str]:
    return {name: value for name, value in environment().items() if name != "COLUMNS"}


@pytest.mark.parametrize("words", [[], ["--full"], ["--markdown"], ["--markdown", "--full"]], ids=" ".join)
def test_report_is_short_unless_all_of_it_is_asked_for(made: Path, words: list[str]) -> None:
    told = command("report", "study.toml", *words, cwd=made).stdout
    assert "4 of 4 images" in told
    assert ("1 SD is what the score changes" in told) == ("--full" in words)
    assert ("# little" in told) == ("--markdown" in words)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a study of 100,020 places, of which none is made."""
    folder = tmp_path_factory.mktemp("large")
    asked = studies.write(folder, "study.toml", prompts=["a rose", "an owl"], replicates=16_670, axes=THREE)
    Store(folder, write=True).close()
    assert places(study.reopen(asked)) == 100_020
    return folder


THREE = {"guidance_scale": [1, 3, 7]}
READING: dict[str, list[str]] = {
    "report": [],
    "best": [],
    "verify": [],
    "view": ["--no-browser"],
    "export": ["--to", "csv"],
}


@pytest.mark.parametrize("verb", READING)
def test_a_large_study_is_read_only_where_the_user_agrees(large: Path, verb: str) -> None:
    said = command(verb, large, *READING[verb], cwd=large, code=2).stderr
    assert "100,020 places" in said
    assert "GB of memory. Add --yes to go on" in " ".join(said.split())


def test_a_large_study_is_read_with_yes(large: Path) -> None:
    assert json.loads(command("verify", large, "--yes", "--json", cwd=large).stdout)["good"]


def test_a_study_of_100_000_places_is_read_without_asking(tmp_path: Path) -> None:
    asked = studies.little(prompts=["a rose", "an owl"], replicates=25_000, axes={"guidance_scale": [1, 3]})
    extent.refuse_large(asked, tmp_path)


def test_plan_says_what_a_large_study_takes_to_read(large: Path) -> None:
    words = ["plan", "study.toml", "--no-calibrate"]
    assert "to read 100,020 places takes about" in command(*words, cwd=large).stdout
    assert "ask for --yes" not in command(*words, "--set", "replicates=2", cwd=large).stdout


@pytest.mark.process
def test_an_error_that_nobody_foresaw_is_one_line_and_a_file_for_the_report(tmp_path: Path) -> None:
    text = (
        "from teststrip.engines.pattern import PatternEngine\n"
        "class Odd(PatternEngine):\n"
        "    def calls(self, settings):\n"
        "        raise ZeroDivisionError('odd \\x1b[31mone')\n"
    )
    installing.distribution(tmp_path / "site", "odd", {"engines": {"odd": "odd:Odd"}}, text)
    study = tmp_path / "study.toml"
    study.write_text('name = "odd"\nprompts = ["an owl"]\n[engine]\nname = "odd"\n', encoding="utf-8")
    env = environment(PYTHONPATH=str(tmp_path / "site"), TMPDIR=str(tmp_path))
    done = run(["plan", str(study)], cwd=tmp_path, env=env)
    assert done.returncode == 1
    said = " ".join(done.stderr.split())
    assert said.startswith("teststrip: a fault of Teststrip or of a library under it (ZeroDivisionError: odd ")
    assert "\x1b" not in said
    (file,) = tmp_path.glob("teststrip-fault-*.txt")
    assert str(file) in done.stderr.replace("\n", "")
    assert "Traceback (most recent call last)" in file.read_text(encoding="utf-8")
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.torch
def test_what_cannot_be_made_is_left_out_on_the_users_word_alone(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(
        'name = "s"\nprompts = ["an owl"]\n[axes]\nscheduler = ["DDIMScheduler", "PNDMScheduler"]\n'
        "num_inference_steps = [2, 8]\n[question]\nmetrics = ['sharpness']\n"
    )
    refused = command("plan", "study.toml", "--no-calibrate", "--try", cwd=tmp_path, code=2).stderr
    assert "scheduler PNDMScheduler with num_inference_steps 2" in refused
    assert "--without-failing" in refused
    told = command("run", "study.toml", "--without-failing", cwd=tmp_path)
    assert "left out, because it cannot be made" in told.stderr
    assert "3 of 3 images" in told.stdout
    kept = tomllib.loads((tmp_path / "runs" / "s" / "study.toml").read_text())
    assert kept["exclude"] == [{"scheduler": ["PNDMScheduler"], "num_inference_steps": ["2"]}]
