"""Ray: the contract and lost actors, in a network of its own, because Ray listens on every address of a machine."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("ray")
ROOT = Path(__file__).parents[2]
ALONE = ["unshare", "--net"] if os.name == "posix" and os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]


def alone(*words):
    """Run Python in a network that has the loopback interface and no other.

    Returns:
        what it printed, after its exit code.
    """
    script = 'ip link set lo up && exec "$0" "$@"'
    command = [*ALONE, "bash", "-c", script, sys.executable, *words]
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("RAY_", "PYTEST_"))}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False)
    return run.returncode, run.stdout + run.stderr


@pytest.fixture(scope="module")
def network():
    """Skips the tests where this system gives no network of its own."""
    code, said = alone("-c", "")
    if code:
        pytest.skip(f"no network namespace here: {said.strip()}")


SOME = "answered_once or pictures_are_those or finish_ends or noticed_while or killed_lose"


@pytest.mark.parametrize("which", [SOME, pytest.param("test_", marks=pytest.mark.slow)], ids=["some", "all"])
def test_ray_keeps_the_contract(network, which):
    code, said = alone("-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", which, "tests/executors/ray_inside.py")
    assert code == 0, said[-4000:]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_three_nodes_with_losses_make_the_pictures_of_one_process(network, tmp_path, seed):
    code, said = alone("-m", "tests.executors.ray_cluster", str(tmp_path), str(seed))
    assert code == 0, said[-4000:]
    told = json.loads(next(line for line in said.splitlines() if line.startswith("{")))
    assert [what for what, _ in told["happened"]] == ["kill", "node", "kill", "add", "kill"]
    assert told["images"] == told["stored"] == 300
    assert told["equal"]
