"""An engine for the tests of clusters, as the text of a plug-in: it shows what happens on which node."""

TEXT = '''
import os
import time
from pathlib import Path

from teststrip.engines.pattern import PatternEngine
from teststrip.records import Fingerprint, Setting, by_name


class Wayward(PatternEngine):
    """The engine `pattern`, with a model that another machine may answer otherwise."""

    options = {
        **PatternEngine.options,
        **by_name(
            Setting("breaks", "str", "", doc="What a fingerprint fails with."),
            Setting("closes", "str", "", doc="A folder where `close` leaves a file."),
            Setting("hangs", "str", "", doc="A file. While it is there, an actor says nothing and does not close."),
        ),
    }
    operation = frozenset(options)
    settings = {**PatternEngine.settings, "model": Setting("model", "str", "small", doc="Small or large.")}
    loads = frozenset({"model"})

    def __init__(self, *, breaks="", closes="", hangs="", **options):
        super().__init__(**options)
        self._breaks, self._closes, self._hangs = breaks, closes, hangs

    def fingerprint(self, shot):
        if self._breaks:
            raise ZeroDivisionError(self._breaks)
        self._hang()
        large = shot.settings.get("model") == "large"
        return Fingerprint({"engine": "wayward", "library": os.environ.get("WAYWARD", "1") if large else "1"})

    def _hang(self):
        if self._hangs and Path(self._hangs).exists() and "ray::" in Path("/proc/self/cmdline").read_text():
            time.sleep(3600)

    def close(self):
        self._hang()
        if self._closes:
            (Path(self._closes) / str(os.getpid())).touch()
'''
