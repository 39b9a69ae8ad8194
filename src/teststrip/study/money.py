"""The most that a study may cost: `[budget] money`, and whether its engines can keep to it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from teststrip.protocols import Priced
from teststrip.records import BUDGET, Price, Value
from teststrip.study.engines import Known
from teststrip.study.keys import MONEY
from teststrip.study.place import Place, shown
from teststrip.study.tables import check_keys, table
from teststrip.study.values import finite


def read_money(value: object, place: Place) -> Price:
    """The money of `[budget]`."""
    data = table(value, place)
    check_keys(data, MONEY, place)
    here, money = place / "money", data["money"]
    match = re.fullmatch(BUDGET, money) if isinstance(money, str) else None
    if match is None or not match[2].isupper():
        raise here.error(f'{shown(money)} is no amount of money. Write money = "5.00 USD"')
    return Price(finite(float(match[1]), here), match[2])


def check_money(limit: Price | None, known: Known, settings: Mapping[str, Value], place: Place) -> None:
    """Check that an engine can say what a picture costs, in the currency of the limit.

    Raises:
        StudyError: it cannot, so that nothing would keep the study within its limit.
    """
    if limit is None or not isinstance(known.engine, Priced):
        return
    price = known.engine.price(settings)
    here = place / "budget" / "money"
    if price is None:
        raise here.error(
            f"{known.owner} cannot say what an image costs with these settings, so the limit could not be kept."
            ' Write price = "0.04 USD" beside the server in your own configuration'
        )
    if price.currency != limit.currency:
        raise here.error(f"{known.owner} is paid in {price.currency}. Write money in {price.currency}")
