"""The files of examples/scale use only keys that their readers have, and run the executor that is meant."""

import contextlib
import os
import signal
import subprocess
import tomllib
from pathlib import Path

import pytest

from teststrip import plugins
from teststrip.executors.named import configured

yaml = pytest.importorskip("yaml")
SCALE = Path(__file__).parents[1] / "examples" / "scale"

# The keys of KubeRay's RayJob v1 and of SkyPilot's task that these files may use, as their published schemas have them.
RAY_JOB = {
    "submissionMode",
    "entrypoint",
    "backoffLimit",
    "shutdownAfterJobFinishes",
    "ttlSecondsAfterFinished",
    "activeDeadlineSeconds",
    "runtimeEnvYAML",
    "rayClusterSpec",
    "suspend",
}
RAY_CLUSTER = {"rayVersion", "enableInTreeAutoscaling", "autoscalerOptions", "headGroupSpec", "workerGroupSpecs"}
WORKERS = {"groupName", "replicas", "minReplicas", "maxReplicas", "rayStartParams", "template"}
TASK = {"name", "resources", "num_nodes", "workdir", "setup", "run", "envs", "file_mounts"}
RESOURCES = {"infra", "accelerators", "cpus", "memory", "use_spot", "disk_size", "instance_type"}


def read(name):
    return yaml.safe_load((SCALE / name).read_text(encoding="utf-8"))


def test_the_ray_job_uses_keys_that_kuberay_has_and_images_of_one_version():
    job = read("kuberay.yaml")
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    assert job["spec"].keys() <= RAY_JOB
    cluster = job["spec"]["rayClusterSpec"]
    assert cluster.keys() <= RAY_CLUSTER
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    assert all(group.keys() <= WORKERS for group in groups)
    containers = [one for group in groups for one in group["template"]["spec"]["containers"]]
    assert len({one["image"] for one in containers}) == 1
    assert all(one["volumeMounts"] for one in containers)
    assert all(isinstance(value, str) for group in groups for value in group["rayStartParams"].values())
    assert any(variable["name"] == "TESTSTRIP_CONFIG" for variable in containers[0]["env"])


def test_the_task_uses_keys_that_skypilot_has():
    task = read("skypilot.yaml")
    assert task.keys() <= TASK
    assert task["resources"].keys() <= RESOURCES
    assert "ray stop" not in task["run"].replace('"ray stop"', "")  # it would end SkyPilot's own Ray


def test_the_files_run_the_executor_that_their_configuration_names():
    table = tomllib.loads((SCALE / "config.toml").read_text(encoding="utf-8"))["executor"]
    assert configured(table) == "ray"
    assert "ray" in plugins.installed("executors")
    assert "--executor ray" in read("kuberay.yaml")["spec"]["entrypoint"]
    assert '--executor "ray:$head:6379"' in read("skypilot.yaml")["run"]


@pytest.mark.process
@pytest.mark.skipif(os.name != "posix", reason="the task runs in bash")
@pytest.mark.parametrize("rank", ["0", "1"])
def test_a_rented_machine_ends_with_an_error_where_no_cluster_answers(rank):
    # A clock that a pause moves on, and a Ray that answers nobody.
    world = "sleep() { SECONDS=$((SECONDS + 60)); }; timeout() { return 1; }; ray() { command sleep 30; }"
    ranks = {"SKYPILOT_NODE_RANK": rank, "SKYPILOT_NODE_IPS": "10.0.0.1\n10.0.0.2", "SKYPILOT_NUM_GPUS_PER_NODE": "1"}
    command = ["bash", "-c", f"{world}\n{read('skypilot.yaml')['run']}"]
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    run = subprocess.Popen(command, env={**os.environ, **ranks}, start_new_session=True, **pipes)
    try:
        assert run.wait(timeout=20) == 1
        assert "no cluster answers at 10.0.0.1:6379" in run.stderr.readline()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)
        run.stderr.close()
