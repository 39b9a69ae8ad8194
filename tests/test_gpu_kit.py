"""The wheels for a machine without a network: what is asked for, and what is said of their sizes."""

from pathlib import Path

from tools.gpu_kit import CONSTRAINTS, PACKAGES, command, table


def test_wheels_are_those_of_the_other_machines_python_and_of_the_tested_versions():
    asked = command(Path("wheels"), PACKAGES, "3.12")
    assert asked[asked.index("--python-version") + 1] == "3.12"
    assert "--no-deps" in asked
    assert asked[asked.index("--constraint") + 1] == str(CONSTRAINTS)
    assert CONSTRAINTS.is_file()
    assert not any(name.startswith(("torch", "nvidia", "triton")) for name in PACKAGES)


def test_the_table_names_the_largest_wheel_first_and_the_sum_last():
    lines = table({"small.whl": 10**6, "large.whl": 5 * 10**6}).splitlines()
    assert [line.split()[-1] for line in lines[:2]] == ["large.whl", "small.whl"]
    assert lines[-1].split()[:2] == ["6.0", "MB"]
