"""The pipelines that stay in memory: as many as were asked for, the one used longest ago goes first.

Knows loaded pipelines; nothing of how they are found, loaded or called.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

from teststrip.diffusion.failures import CannotLoad
from teststrip.diffusion.loading import Loaded, free


class ModelCache:
    """Loaded pipelines by what the study calls them.

    Args:
        most: pipelines kept at a time.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._loaded: dict[Hashable, Loaded] = {}  # the one used last stands last

    def get(self, key: Hashable, load: Callable[[], Loaded]) -> Loaded:
        """The pipeline of this key, loaded when it is not here; others make room before it is.

        Raises:
            CannotLoad: it cannot be loaded, even where no other pipeline takes memory.
        """
        loaded = self._loaded.pop(key, None)
        if loaded is None:
            while len(self._loaded) >= self._most:
                free(self._loaded.pop(next(iter(self._loaded))).device)
            try:
                loaded = load()
            except CannotLoad as error:
                if error.reason != "oom" or not self._loaded:
                    raise
            if loaded is None:  # here, where the error is gone and with it what was loaded in vain
                self.clear()
                loaded = load()
        self._loaded[key] = loaded
        return loaded

    def keep_only(self, loaded: Loaded) -> None:
        """Forget every other pipeline, and give its memory back."""
        self._loaded = {key: one for key, one in self._loaded.items() if one is loaded}
        free(loaded.device)

    def forget(self, key: Hashable) -> None:
        """Forget the pipeline of this key, and give its memory back."""
        if loaded := self._loaded.pop(key, None):
            free(loaded.device)

    def clear(self) -> None:
        """Forget all pipelines, and give their memory back."""
        while self._loaded:
            free(self._loaded.popitem()[1].device)
