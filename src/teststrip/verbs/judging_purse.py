"""The money of a judge: a line before each question that may cost something, under the limit of the study's folder."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace

from teststrip.analysis.sentences.phrases import money
from teststrip.errors import EngineError
from teststrip.judges.questions import Judge
from teststrip.records import Price, Shot
from teststrip.results.result import Result
from teststrip.store import inside
from teststrip.store.judged import Asked, JudgedFile
from teststrip.store.lock import FolderLock
from teststrip.verbs import account

_NOTHING = 1e-9  # what sums of floats are off by, in any currency


class JudgePurse:
    """The purse of a judge (`protocols.Purse`): a line before each question that may cost something.

    Attributes:
        broke: why nothing more was sent for want of money; "" = there was enough.
        gave_up: why the judge is asked no further; "" = it is. Answers under way are still taken.
        begun: the questions under way, by id.
    """

    def __init__(self, result: Result, judge: Judge, stopped: threading.Event) -> None:
        self.broke = ""
        self.gave_up = ""
        self.file = JudgedFile(result.folder)
        self._stopped = stopped
        self.begun: dict[str, Asked] = {}
        self._limit = result.study.money if _costs(judge.price) else None
        self._before = self.file.spent()
        self._others: Mapping[str, float] = account.spent(result.store) if self._limit else {}

    @classmethod
    def open(cls, result: Result, judge: Judge, stopped: threading.Event) -> JudgePurse:
        """A purse, in a folder where no run spends money meanwhile if there is a limit.

        Raises:
            EngineError: the limit could not be kept, because the price is unknown or in another currency.
        """
        limit, price = result.study.money, judge.price
        held = None
        if limit is not None and _costs(price):
            if price is None or price.currency != limit.currency:
                raise EngineError(
                    "this judge cannot say what a question costs, in the currency of [budget] money."
                    f' Write price = "0.01 {limit.currency}" beside it in your own configuration'
                )
            with inside.speaking(result.folder):
                held = FolderLock(result.folder)
        try:
            made = cls(result, judge, stopped)
        except BaseException:
            if held:
                held.release()
            raise
        made._held = held
        return made

    _held: FolderLock | None = None

    def __enter__(self) -> JudgePurse:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        if self._held:
            self._held.release()

    def ended(self) -> bool:
        """As `Purse.ended`."""
        return self._stopped.is_set() or bool(self.gave_up)

    def reserve(self, shot: Shot, price: Price | None) -> str:
        """As `Purse.reserve`; the line is on the disk when this returns."""
        if self._limit is not None and price is not None:
            left = self._limit.amount - self._others.get(price.currency, 0.0) - self._since(price.currency)
            if price.amount > left + _NOTHING:
                most, rest = money(price.amount, price.currency), money(max(0.0, left), price.currency)
                whole = money(self._limit.amount, price.currency)
                self.broke = f"the next question may cost {most}, and {rest} of {whole} is left"
                return self.broke
        begun = self.begun[shot.id]
        if price is not None:
            begun = replace(begun, currency=price.currency, reserved=price.amount)
        self.file.add(begun)
        return ""

    def settle(self, shot: Shot, paid: float | None) -> None:
        """As `Purse.settle`."""
        self.file.add(replace(self.begun[shot.id], state="failed", paid=paid))

    def spent(self) -> Mapping[str, float]:
        """What was spent since this purse was opened, by currency."""
        now = self.file.spent()
        return {currency: now[currency] - self._before.get(currency, 0.0) for currency in now}

    def _since(self, currency: str) -> float:
        return self.file.spent().get(currency, 0.0) - self._before.get(currency, 0.0)


def _costs(price: Price | None) -> bool:
    return price is None or price.amount > 0
