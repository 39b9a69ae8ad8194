"""What the shots of each cell cost: denoiser calls, money, seconds, bytes.

Knows cells and asks their engines; nothing of ids and of what is done. Counts of shots are one a cell, in their order.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Mapping, Sequence
from functools import cached_property
from typing import TypeVar

from teststrip.plan.summary import Measured
from teststrip.protocols import AsksAgain, Engine, Priced
from teststrip.records import Cell, Price, Prompt, Study, Value

Answer = TypeVar("Answer")


class Costs:
    """The costs of a study's shots.

    Args:
        study: what was asked.
        cells: all of the study.
        engines: one of each class that makes them.
        maker_of: the name of a cell's engine.
        instance_of: an instance of that engine, to be asked.
        settings_of: all settings of a cell, without prompt and seed.
        seed: of one of the shots.
    """

    def __init__(
        self,
        study: Study,
        cells: Sequence[Cell],
        engines: Collection[Engine],
        *,
        maker_of: Callable[[Cell], str],
        instance_of: Callable[[Cell], Engine],
        settings_of: Callable[[Cell], dict[str, Value]],
        seed: int,
    ) -> None:
        self._study, self._cells, self._engines, self._seed = study, cells, engines, seed
        self._maker_of, self._instance_of, self._settings_of = maker_of, instance_of, settings_of

    def calls(self, shots: Sequence[int]) -> int | None:
        """The denoiser calls of so many shots of each cell; None where no engine counts them."""
        known = [calls * n for calls, n in zip(self._calls, shots, strict=True) if calls is not None]
        return sum(known) if known or not self._cells else None

    def prices(self, shots: Sequence[int]) -> tuple[Price, ...]:
        """The most that so many shots of each cell can cost, one price a currency; empty where engines are free."""
        return self._priced(shots, lambda engine: True)

    def prices_again(self, shots: Sequence[int]) -> tuple[Price, ...]:
        """The most that they can cost besides, where services charge for requests that fail."""
        return self._priced(shots, lambda engine: isinstance(engine, AsksAgain) and engine.may_pay_twice())

    def seconds(self, shots: Sequence[int], pace: Mapping[str, Measured]) -> float | None:
        """Machine time of so many shots of each cell; None where no engine's pace is known.

        Args:
            shots: of each cell.
            pace: seconds a denoiser call, or seconds an image for an engine that counts no calls, by `maker_of`.
        """
        timed = [
            (1 if calls is None else calls) * n * pace[maker].value
            for cell, calls, n in zip(self._cells, self._calls, shots, strict=True)
            if (maker := self._maker_of(cell)) in pace
        ]
        return sum(timed) if timed else None

    def untimed(self, shots: Sequence[int], pace: Mapping[str, Measured]) -> tuple[str, ...]:
        """Names of the engines that have shots and no known pace."""
        asked = dict.fromkeys(self._maker_of(cell) for cell, n in zip(self._cells, shots, strict=True) if n)
        return tuple(maker for maker in asked if maker not in pace)

    def image_bytes(self) -> Measured | None:
        """The size of an image, guessed from width and height; None where a cell has none."""
        settings = [self._settings_of(cell) for cell in self._cells[:1000]]
        sizes = [
            w * h for s in settings if isinstance(w := s.get("width"), int) and isinstance(h := s.get("height"), int)
        ]
        if len(sizes) < len(settings):
            return None
        # 1.6 bytes a pixel, because a PNG of a photograph-like picture of 512 × 512 takes about 420 KB.
        return Measured(1.6 * sum(sizes) / len(sizes), "guessed at 1.6 bytes a pixel, as PNGs of photographs take")

    @cached_property
    def _calls(self) -> list[int | None]:
        """The denoiser calls of one shot of each cell; None where the engine counts none."""
        return self._asked(lambda engine, settings: engine.calls(settings))

    def _priced(self, shots: Sequence[int], counts: Callable[[Engine], bool]) -> tuple[Price, ...]:
        if not any(isinstance(engine, Priced) for engine in self._engines):
            return ()
        longest = max(self._study.prompts, key=lambda prompt: len(prompt.text))  # services are paid for its tokens, too
        prices = self._asked(
            lambda engine, settings: engine.price(settings) if isinstance(engine, Priced) and counts(engine) else None,
            longest,
        )
        amounts: dict[str, float] = {}
        for price, n in zip(prices, shots, strict=True):
            if price is not None:
                amounts[price.currency] = amounts.get(price.currency, 0.0) + price.amount * n
        return tuple(Price(amount, currency) for currency, amount in amounts.items())

    def _asked(
        self, ask: Callable[[Engine, Mapping[str, Value]], Answer], prompt: Prompt | None = None
    ) -> list[Answer]:
        """The answer of each cell's engine about one of its shots. Cells that differ in words alone share an answer."""
        prompt = prompt or self._study.prompts[0]
        words = {axis.name for axis in self._study.axes if axis.kind == "word"}
        known: dict[object, Answer] = {}
        for cell in self._cells:
            key = _without(cell, words)
            if key not in known:
                settings = self._settings_of(cell)
                settings.update(prompt.settings, prompt=prompt.text, seed=self._seed)
                known[key] = ask(self._instance_of(cell), settings)
        return [known[_without(cell, words)] for cell in self._cells]


def _without(cell: Cell, axes: Container[str]) -> tuple[tuple[str, str], ...]:
    return tuple(pair for pair in cell.levels if pair[0] not in axes)
