"""The money of a study's folder: what was reserved, paid and lost, and the limit that nothing may exceed.

A request is written down before it is sent, and completed when its answer is stored. What a dead run left in between is
*unknown*: perhaps paid. It keeps its reservation, and is asked again by the user's word alone. Where the service gave
the request a name, the next run asks after it first, which costs nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from teststrip.analysis.sentences.phrases import money
from teststrip.folder import LEDGER_FILE
from teststrip.records import Failure, Price, Render, Shot, Study
from teststrip.store import Store, judged
from teststrip.store.rows import NO_CURRENCY, Request

UNKNOWN: Final = "unknown"
_NOTHING = 1e-9  # what sums of floats are off by, in any currency
_ENDED = "was sent, and the run ended before an answer came: perhaps paid"


class Account:
    """The purse of a run (`protocols.Purse`), which it keeps in the ledger.

    Args:
        store: the folder, open for writing.
        limit: the most that all requests of the folder may cost together.
        stopped: whether the user stopped the run.

    Attributes:
        pay_again: whether the user allows to pay for a lost request a second time.
        broke: why nothing more was sent; "" = the money was enough.
        ended: as `Purse.ended`.
    """

    def __init__(self, store: Store, limit: Price | None, stopped: Callable[[], bool] = lambda: False) -> None:
        self.pay_again = False
        self.broke = ""
        self.ended = stopped
        self._store = store
        self._limit = limit
        self._open: dict[str, Request] = {}
        self._spent = defaultdict(float, spent(store))
        if limit is not None:  # a ledger that was made anew from its pictures knows no requests
            self._spent[limit.currency] = max(self._spent[limit.currency], _shown(store))
        self._mend()
        self._lost = _lost(store)

    @property
    def after(self) -> frozenset[str]:
        """The ids of shots whose lost requests can be asked after."""
        return frozenset(self._lost)

    def reserve(self, shot: Shot, price: Price | None) -> str:
        """As `Purse.reserve`; the row is on the disk when this returns."""
        if self._limit is not None and (why := self._objection(price, self._limit)):
            self.broke = self.broke or why
            return why
        self._open[shot.id] = request = self._store.reserve(shot, price)
        self._spent[request.currency] += request.counted
        return ""

    def settle(self, shot: Shot, paid: float | None) -> None:
        """As `Purse.settle`."""
        self._complete(self._open.pop(shot.id), "failed", paid)

    def note(self, shot: Shot, ticket: str) -> None:
        """As `AsksAfter.note`; the row is on the disk when this returns."""
        self._store.note(self._open[shot.id], ticket)

    def resume(self, shot: Shot) -> str:
        """As `AsksAfter.resume`."""
        request = self._lost.pop(shot.id, None)
        if request is None:
            return ""
        self._open[shot.id] = request
        return request.ticket

    def anew(self, shot: Shot) -> bool:
        """As `AsksAfter.anew`: by the user's word alone; the lost request keeps its reservation."""
        if self.pay_again:
            self._complete(self._open.pop(shot.id), UNKNOWN, None)
        return self.pay_again

    def close(self, answer: Render | Failure) -> None:
        """Settle the request whose answer is stored; nothing where the shot cost nothing."""
        request = self._open.pop(answer.shot.id, None)
        if request is None:
            return
        if isinstance(answer, Failure):
            self._complete(request, UNKNOWN if answer.reason == UNKNOWN else "failed", answer.paid)
        else:
            self._complete(request, "settled", _number(answer.facts.get("price")))

    def _objection(self, price: Price | None, limit: Price) -> str:
        if price is None or price.currency != limit.currency:
            return "the engine cannot say what an image costs, in the currency of [budget] money"
        left = limit.amount - self._spent[limit.currency]
        if price.amount <= left + _NOTHING:
            return ""
        next_one, rest = money(price.amount, price.currency), money(max(0.0, left), limit.currency)
        whole = money(limit.amount, limit.currency)
        return f"the next image may cost {next_one}, and {rest} of {whole} is left. Raise [budget] money to go on"

    def _complete(self, request: Request, state: str, paid: float | None) -> None:
        self._store.settle(request, state, paid)
        if paid is not None:
            self._spent[request.currency] += paid - request.counted

    def _mend(self) -> None:
        """Settle what a dead run left open: paid where the picture is there, and else unknown."""
        left = [request for request in self._store.requests() if request.state == "reserved"]
        images = self._store.images() if left else {}
        for request in left:
            if request.shot_id in images:
                price = _number(images[request.shot_id][-1].facts.get("price"))
                self._complete(request, "settled", price)
                continue
            if (shot := self._store.shot(request.shot_id)) is not None:
                self._store.fail(Failure(shot, UNKNOWN, _ENDED, retryable=False, paid=None))
            self._complete(request, UNKNOWN, None)


def _lost(store: Store) -> dict[str, Request]:
    """By shot, the last request, where its answer was lost and the service can be asked after it."""
    last = {request.shot_id: request for request in store.requests()}
    return {shot: request for shot, request in last.items() if request.state == UNKNOWN and request.ticket}


def spent(store: Store) -> Mapping[str, float]:
    """What counts as spent in a folder, by currency: what was paid, and where that is not known, what was reserved."""
    found: defaultdict[str, float] = defaultdict(float, judged.spent(store.folder))
    for request in store.requests():
        if request.currency != NO_CURRENCY:
            found[request.currency] += request.counted
    return found


def to_pay_again(store: Store, shots: Collection[str]) -> Mapping[str, float]:
    """What it can cost to ask these shots again, by currency, as their last requests were reserved."""
    last = {request.shot_id: request for request in store.requests() if request.shot_id in shots}
    found: defaultdict[str, float] = defaultdict(float)
    for request in last.values():
        if request.currency != NO_CURRENCY:
            found[request.currency] += request.reserved
    return found


def told(number: int, again: Mapping[str, float]) -> str:
    """A sentence on shots that were perhaps paid.

    >>> told(2, {"USD": 0.4}).partition(". ")[2]
    '--pay-again asks again, for 0.40 USD at most'
    """
    were = "image was" if number == 1 else "images were"
    most = " + ".join(money(amount, currency) for currency, amount in again.items())
    cost = f", for {most} at most" if most else ""
    return (
        f"{number:,} {were} sent for and no answer came: perhaps paid, so not asked again. --pay-again asks again{cost}"
    )


def spent_in(folder: Path) -> Mapping[str, float]:
    """What counts as spent in a folder that may not be there yet."""
    if not (folder / LEDGER_FILE).is_file():
        return {}
    with Store(folder) as store:
        return spent(store)


def lines(study: Study, left: Sequence[Price], again: Sequence[Price], already: Mapping[str, float]) -> Iterator[str]:
    """What `plan` says of money: the bill of what is left, what was spent, and the limit.

    Args:
        study: which may name a limit.
        left: the bill.
        again: what services could charge besides for requests that fail; with a limit, the limit holds for both.
        already: what was spent.
    """
    if left:
        yield f"at most {_sum(left)}"
    if study.money is None and any(price.amount for price in again):
        yield (
            f"up to {_sum([*left, *again])} where a service charges for requests that fail, because an image is then"
            " asked for once more. A limit holds also then: [budget] money"
        )
    if any(already.values()):
        yield f"spent so far: {' + '.join(money(amount, currency) for currency, amount in already.items())}"
    if study.money is not None:
        yield f"limit of the folder: {money(study.money.amount, study.money.currency)} ([budget] money)"


def warnings(study: Study, left: Sequence[Price], already: Mapping[str, float]) -> Iterator[str]:
    """A sentence where the limit may end the run before its last image."""
    limit = study.money
    for price in left:
        if limit is None or price.currency != limit.currency:
            continue
        rest = limit.amount - already.get(limit.currency, 0.0)
        if price.amount > rest + _NOTHING:
            most, there = money(price.amount, price.currency), money(max(0.0, rest), limit.currency)
            yield f"{most} may be needed and {there} of [budget] money is left: the run may end before its last image"


def _sum(prices: Iterable[Price]) -> str:
    """Prices in words, one amount a currency."""
    amounts: defaultdict[str, float] = defaultdict(float)
    for price in prices:
        amounts[price.currency] += price.amount
    return " + ".join(money(amount, currency) for currency, amount in amounts.items())


def _shown(store: Store) -> float:
    """What the pictures of a folder say that they cost."""
    prices = (_number(image.facts.get("price")) for images in store.images().values() for image in images)
    return sum(price for price in prices if price is not None)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
