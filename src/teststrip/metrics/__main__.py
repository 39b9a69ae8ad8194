"""`python -m teststrip.metrics` prints docs/metrics.md."""

import sys

from teststrip.metrics.reference import page

sys.stdout.write(page())
