"""Doctor says what a machine has, what is missing, and what is installed but broken."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

import teststrip
from teststrip import plugins
from teststrip.verbs import doctor

BROKEN = {
    "a library that raises": ("raise ImportError('libtorch.so.2: no version for this machine')", "no version"),
    "a library that ends the process": ("import os; os.abort()", "by signal 6"),
}


def test_every_extra_that_a_user_may_want_has_its_purpose() -> None:
    text = (Path(teststrip.__file__).parents[2] / "pyproject.toml").read_text()
    extras = set(tomllib.loads(text)["project"]["optional-dependencies"])
    assert set(doctor.FOR) == extras - {"view", "docs", "test", "dev"} == set(plugins.EXTRAS.values())
    assert set(doctor.LOADED) <= set(plugins.EXTRAS)


@pytest.mark.process
def test_doctor_tells_people_and_programs_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "digests.json").write_bytes(b" " * 12_000_000)
    monkeypatch.setenv("TESTSTRIP_CACHE", str(tmp_path))
    found = doctor.examine()
    told = json.loads(json.dumps(found.as_json()))
    said = "\n".join(found.lines())
    assert f"teststrip {told['teststrip']}, Python {told['python']}" in said
    for library in told["libraries"]:
        assert library["broken"] == ""
        if library["version"]:
            assert f"{library['name']} {library['version']}" in said
    assert f"{tmp_path} (12 MB)" in said
    assert f"TESTSTRIP_CACHE = {tmp_path}" in said


@pytest.mark.process
@pytest.mark.parametrize("case", BROKEN)
def test_a_library_that_does_not_load_is_found_and_doctor_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    code, reason = BROKEN[case]
    (tmp_path / "site" / "openvino").mkdir(parents=True)
    (tmp_path / "site" / "openvino" / "__init__.py").write_text(code + "\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"), prepend=":")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    said = "\n".join(doctor.examine(loaded=["openvino"]).lines())
    assert "broken     openvino is installed but does not load" in said
    assert reason in said
    assert "pip install --force-reinstall openvino" in said


def test_what_is_missing_is_said_with_the_command_that_brings_it() -> None:
    libraries = tuple(doctor.Library(name, extra, "") for name, extra in plugins.EXTRAS.items())
    bare = doctor.Health("0.1", "3.11", "Linux", 2, None, 9.0, (), False, libraries, (), (), {}, "utf-8")
    said = "\n".join(bare.lines())
    for extra in doctor.FOR:
        assert f"pip install 'teststrip[{extra}]'" in said
    assert "installed" not in said
    assert "None" not in said
