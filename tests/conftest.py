"""What every test shares: one thread a process, no network, no colours."""

import atexit
import os
import shutil
import tempfile

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("NO_COLOR", "1")
if "TESTSTRIP_CACHE" not in os.environ:  # what tests measure and hash is nothing for later runs
    os.environ["TESTSTRIP_CACHE"] = tempfile.mkdtemp(prefix="teststrip-cache-")
    atexit.register(shutil.rmtree, os.environ["TESTSTRIP_CACHE"], ignore_errors=True)

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.tiers", "tests.campaign", "tests.untraced", "tests.frozen"]

# Two profiles: CI tries the same examples each time; `make campaign` tries new ones, and many more.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("teststrip", patient, derandomize=True, max_examples=25)
settings.register_profile("campaign", patient, derandomize=False, max_examples=1000, print_blob=True)
settings.load_profile("teststrip")  # Hypothesis loads the profile of --hypothesis-profile afterwards
