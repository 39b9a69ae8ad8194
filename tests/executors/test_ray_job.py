"""A study handed to a cluster by `ray job submit`: its words, its errors, and how it is stopped and gone on with.

The cluster has a token, as those have that were started where `--executor ray` ran before.
"""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
from tests.executors.test_ray import alone

pytestmark = pytest.mark.slow
DASHBOARD = ("aiohttp_cors", "colorful", "opencensus", "prometheus_client", "smart_open")
"""What `ray[default]` brings for the head that takes jobs."""

STUDY = """
name = "submitted"
prompts = {{ file = "prompts.txt" }}
replicates = {replicates}
axes.guidance_scale = [1, {level}]
[engine]
name = "pattern"
seconds = {seconds}
[settings]
width = 16
height = 16
"""

SCRIPT = """
exec 2>&1
export HOME="$1" RAY_USAGE_STATS_ENABLED=0 OMP_NUM_THREADS=1 RAY_AUTH_MODE=token
cd "$1/study"
ray() { "$PYTHON" -m ray.scripts.scripts "$@"; }
ray get-auth-token --generate > /dev/null
ray start --head --node-ip-address 127.0.0.1 --port 6379 --num-cpus 2 --object-store-memory 100000000 --temp-dir "$2"
trap 'ray stop --force > /dev/null 2>&1' EXIT
submit() {
  ray job submit --address http://127.0.0.1:8265 --working-dir . \
    --runtime-env-json '{"env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": "120"}}' "$@"
}
job() { ray job "$1" --address http://127.0.0.1:8265 "$2"; }
echo "#### bad"; submit -- "$PYTHON" -m teststrip run bad.toml --out "$1/bad" --executor ray; echo "exit $?"
echo "#### nowhere"; submit -- "$PYTHON" -m teststrip run study.toml --executor ray; echo "exit $?"
submit --no-wait --submission-id first -- "$PYTHON" -m teststrip run study.toml --out "$1/run" --executor ray
for _ in $(seq 60); do [ "$(ls "$1/run/images" 2>/dev/null | wc -l)" -ge 2 ] && break; sleep 1; done
echo "#### stopped"; job stop first; job logs first
echo "#### again"; submit -- "$PYTHON" -m teststrip run study.toml --out "$1/run" --executor ray; echo "exit $?"
unset RAY_AUTH_MODE
echo "#### alone"; "$PYTHON" -m teststrip run study.toml --out "$1/alone" --executor ray:127.0.0.1:6379; echo "exit $?"
echo "#### end"
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What each of the jobs said, by the name under which the script announces it."""
    if missing := [name for name in DASHBOARD if find_spec(name) is None]:
        pytest.skip(f"a head that takes jobs needs ray[default]; not installed: {', '.join(missing)}")
    code, why = alone("-c", "")
    if code:
        pytest.skip(f"no network namespace here: {why.strip()}")
    home = tmp_path_factory.mktemp("job")
    folder = home / "study"
    folder.mkdir()
    (folder / "prompts.txt").write_text("an owl\na cat\n", encoding="utf-8")
    (folder / "study.toml").write_text(STUDY.format(replicates=4, level=7.5, seconds=1.5), encoding="utf-8")
    (folder / "bad.toml").write_text(STUDY.format(replicates=1, level=-7, seconds=0), encoding="utf-8")
    short = Path("/tmp") / f"ray-job-{os.getpid()}"
    start = "import os, sys; os.environ['PYTHON'] = sys.executable; os.execvp('bash', ['bash', *sys.argv[1:]])"
    try:
        _, words = alone("-c", start, "-c", SCRIPT, "bash", str(home), str(short))
    finally:
        shutil.rmtree(short, ignore_errors=True)
    parts = [part.partition("\n") for part in words.split("#### ")[1:]]
    assert [name for name, _, _ in parts] == ["bad", "nowhere", "stopped", "again", "alone", "end"], words[-6000:]
    return {name: text for name, _, text in parts}


def test_an_error_of_the_study_ends_the_job_as_failed_with_its_message(said):
    assert "bad.toml: axes.guidance_scale[1]: -7 is below 0" in said["bad"]
    assert "failed" in said["bad"]
    assert "exit 1" in said["bad"]


def test_a_job_without_a_lasting_folder_is_refused(said):
    assert "would lie in the copy of your folder that Ray made" in said["nowhere"]
    assert "exit 1" in said["nowhere"]


def test_a_stopped_job_says_how_to_go_on(said):
    assert "'first' was stopped" in said["stopped"]
    assert "left to make. To go on: teststrip run study.toml --out" in said["stopped"]


def test_a_second_job_goes_on_and_concludes(said):
    assert "already made" in said["again"]
    assert "submitted: 2 prompts × 4 seeds × 2 settings, 16 of 16 images" in said["again"]
    assert "What was found" in said["again"]
    assert "succeeded" in said["again"]
    assert "exit 0" in said["again"]


def test_a_driver_without_the_token_of_its_cluster_is_told_what_to_set(said):
    assert "no Ray cluster answers at 127.0.0.1:6379" in said["alone"]
    assert "set RAY_AUTH_MODE=token and copy ~/.ray/auth_token" in said["alone"]
