"""A declaration becomes a `Service`, or an error that says where, what, and the remedy. Asks nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, get_args

from teststrip.declared import steps
from teststrip.declared.service import (
    Bill,
    Cost,
    Form,
    Reading,
    Refusal,
    SeedRange,
    Service,
    States,
)
from teststrip.declared.tables import Table
from teststrip.errors import EngineError, among
from teststrip.hosted.addresses import reach
from teststrip.hosted.configuration import Configuration
from teststrip.records import Seeds, Setting

_SERVICE = (
    *("base_url", "key", "key_header", "allow_http", "allow_private", "hosts", "price", "seed", "settings"),
    *("longest_prompt", "same_size", "idempotency", "submit", "poll", "result", "quote", "answer", "states", "refused"),
)
_SETTING = ("kind", "low", "high", "choices", "default", "doc")
_STATES = ("path", "running", "done", "failed", "refused", "lost")
_ANSWER = ("picture", "is", "id", "seed", "version", "prompt", "message", "cost", "cost_unit")
_KINDS = ("float", "int", "str", "bool")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_HOST = re.compile(r"(\*\.[a-z0-9-]+(\.[a-z0-9-]+)+|[a-z0-9-]+(\.[a-z0-9-]+)*)(:[0-9]{1,5})?")
_OURS = ("prompt", "seed")


def find(configuration: Configuration, name: str) -> Service:
    """A declared service by its name.

    Raises:
        EngineError: there is none, or its declaration is wrong.
    """
    if name not in configuration.services:
        raise EngineError(
            f"service: {name!r} is unknown{among(name, configuration.services, 'There are')}."
            f" Write [services.{name}] into {configuration.path} (docs/services.md)"
        )
    try:
        return read(name, configuration.services[name])
    except EngineError as error:
        raise EngineError(f"{configuration.path}: {error}") from None


def read(name: str, entry: object) -> Service:
    """A service by its table.

    Raises:
        EngineError: the table is wrong.
    """
    table = Table(entry, f"services.{name}", _SERVICE)
    settings = _settings(table.table("settings"))
    known = {*_OURS, *settings}
    submit = steps.read(table, "submit", known, method="POST")
    if submit is None:
        raise table.error('is missing. Write [services.NAME.submit] with path = "/..."', "submit")
    poll, result = steps.read(table, "poll", {*known, "id"}), steps.read(table, "result", {*known, "id"})
    quote = table.table("quote", (*steps.KEYS, "cost", "cost_unit"))
    bill = _bill(table, settings)
    service = Service(
        name=name,
        base_url=_base(table),
        submit=submit,
        reading=_reading(table.table("answer", _ANSWER)),
        http=table.flag("allow_http"),
        private=table.flag("allow_private"),
        hosts=_hosts(table),
        key=table.text("key"),
        key_header=_key_header(table),
        settings=settings,
        seed=_seed(table),
        bill=bill,
        longest_prompt=table.whole("longest_prompt", 10_000, low=1, high=1_000_000),
        same_size=table.flag("same_size"),
        idempotency=_header(table, "idempotency"),
        every=table.table("poll").number("every", 1.0, low=0.01, high=600) or 1.0,
        poll=poll,
        result=result,
        quote=steps.read(table, "quote", known, method="POST"),
        quoted=_cost(quote),
        states=_states(table.table("states", _STATES)),
        refusals=tuple(map(_refusal, table.tables("refused", ("path", "matches", "status")))),
    )
    _check(table, service)
    return service


def _check(table: Table, service: Service) -> None:
    """Raise EngineError where parts of a declaration do not go together."""
    _check_sent(table, service)
    _check_asked_after(table, service)
    _check_money(table, service)
    if service.reading.form != "bytes" and not service.reading.picture:
        raise table.error('is missing. Write where the picture stands: picture = "images.0.url"', "answer.picture")
    if service.same_size and not {"width", "height"} <= service.settings.keys():
        raise table.error("needs the settings width and height", "same_size")


def _check_sent(table: Table, service: Service) -> None:
    sent = service.submit.places
    if "prompt" not in sent:
        raise table.error('sends no prompt. Write prompt = "{prompt}" into its json or form', "submit")
    if service.seed.gives != "none" and "seed" not in sent:
        raise table.error('sends no seed. Write seed = "{seed}" into its json or form, or seed = "none"', "submit")
    if unused := sorted(service.settings.keys() - sent):
        raise table.error(f'is sent by no step. Write "{{{unused[0]}}}" where it belongs', f"settings.{unused[0]}")


def _check_asked_after(table: Table, service: Service) -> None:
    poll, result = service.poll, service.result
    if result is not None and poll is None:
        raise table.error("needs a poll step before it", "result")
    by_id = [one for one in (poll, result) if one and "id" in one.places]
    if by_id and not service.reading.id:
        raise table.error('is missing, and a path has the place {id}. Write id = "id"', "answer.id")
    if poll is not None and not poll.address and poll not in by_id:
        raise table.error('asks after no request. Write address = "urls.get", or path = "/.../{id}"', "poll")
    if poll is not None and service.states.paths and not service.states.done:
        raise table.error("is missing. Write the words that say that the picture is there", "states.done")


def _check_money(table: Table, service: Service) -> None:
    for cost, place in ((service.quoted, "quote"), (service.reading.cost, "answer.cost")):
        if cost.paths and not service.bill.currency:
            raise table.error('needs price beside it, the most that a picture may cost: price = "0.05 USD"', place)
        if cost.unit and cost.unit.currency != service.bill.currency:
            raise table.error(f"must be in the currency of price, {service.bill.currency}", f"{place}_unit")
    if service.quote is not None and not service.quoted.paths:
        raise table.error('is missing. Write where the answer says the price: cost = "price"', "quote.cost")


def _base(table: Table) -> str:
    url = table.text("base_url").rstrip("/")
    if not url:
        raise table.error('is missing. Write base_url = "https://HOST"', "base_url")
    try:
        reach(url, http=table.flag("allow_http"), private=table.flag("allow_private"))
    except EngineError as error:
        raise table.error(str(error), "base_url") from None
    return url


def _hosts(table: Table) -> tuple[str, ...]:
    for host in (found := table.words("hosts")):
        if not _HOST.fullmatch(host):
            raise table.error(
                f'{host!r} is no host. Write "cdn.example.com", or "*.example.com" for all below it', "hosts"
            )
    return found


def _header(table: Table, key: str) -> str:
    found = table.text(key)
    if found and not steps.HEADER.fullmatch(found):
        raise table.error(f"{found!r} is no name of a header", key)
    return found.lower()


def _key_header(table: Table) -> tuple[str, str]:
    name, _, value = table.text("key_header", "Authorization: Bearer {key}").partition(":")
    if not steps.HEADER.fullmatch(name) or value.count("{key}") != 1 or not value.isprintable():
        raise table.error('must be a header with the place {key}: "x-api-key: {key}"', "key_header")
    return name.lower(), value.strip()


def _settings(table: Table) -> dict[str, Setting]:
    found = {}
    for name in table:
        if not _NAME.fullmatch(name) or name in (*_OURS, "id"):
            raise table.error('cannot be the name of a setting. Write small letters, as "guidance_scale"', name)
        found[name] = _setting(name, table.table(name, _SETTING))
    return found


def _setting(name: str, table: Table) -> Setting:
    kind = table.text("kind", "str", _KINDS)
    low, high, choices = table.number("low"), table.number("high"), table.words("choices")
    if kind in ("str", "bool") and (low is not None or high is not None):
        raise table.error(
            f'a {kind} has no bounds. Write choices, or kind = "float"', "low" if "low" in table else "high"
        )
    if kind != "str" and choices:
        raise table.error('choices belong to kind = "str"', "choices")
    if low is not None and high is not None and low > high:
        raise table.error(f"{low} is above high, {high}", "low")
    doc = table.text("doc").strip()
    setting = Setting(
        name=name,
        kind=kind,  # type: ignore[arg-type]
        default=_default(table, kind),
        low=low,
        high=high,
        choices=choices,
        doc=doc and doc.rstrip(".") + ".",
        is_name=bool(choices),
    )
    _check_default(table, setting)
    return setting


def _default(table: Table, kind: str) -> Any:
    found = table.value("default")
    if found is None:
        return None
    if kind == "float" and isinstance(found, int) and not isinstance(found, bool):
        return float(found)
    if type(found) is not {"float": float, "int": int, "str": str, "bool": bool}[kind]:
        raise table.error(f"{found!r} is no {kind}", "default")
    return found


def _check_default(table: Table, setting: Setting) -> None:
    default = setting.default
    if isinstance(default, str):
        outside = bool(setting.choices) and default not in setting.choices
    elif default is None:
        return
    else:
        outside = (
            not (setting.low if setting.low is not None else default)
            <= default
            <= (setting.high if setting.high is not None else default)
        )
    if outside:
        raise table.error(f"{default!r} is none of the values that the setting takes", "default")


def _seed(table: Table) -> SeedRange:
    if isinstance(table.value("seed"), str) or "seed" not in table:
        gives, low, high = table.text("seed", "none", get_args(Seeds)), 0, 2**32 - 1
    else:
        inner = table.table("seed", ("gives", "low", "high"))
        gives = inner.text("gives", "best effort", get_args(Seeds))
        low = inner.whole("low", 0, low=0, high=2**63 - 1)
        high = inner.whole("high", 2**32 - 1, low=low, high=2**63 - 1)
    return SeedRange(gives, low, high)  # type: ignore[arg-type]


def _bill(table: Table, settings: Mapping[str, Setting]) -> Bill:
    if not isinstance(table.value("price"), Mapping):
        return Bill(table.price("price"))
    inner = table.table("price")
    by = inner.text("by")
    if by not in settings:
        raise inner.error(f"{by!r} is no setting of this service{among(by, settings, 'There are')}", "by")
    prices = {value: price for value in inner if value != "by" and (price := inner.price(value)) is not None}
    if len({price.currency for price in prices.values()}) != 1:
        raise inner.error("must be prices in one currency, by the value of the setting")
    return Bill(None, by, prices)


def _cost(table: Table) -> Cost:
    return Cost(table.paths("cost"), table.price("cost_unit"))


def _reading(table: Table) -> Reading:
    form = table.text("is", "url", get_args(Form))
    more = {"message": table.paths("message")} if "message" in table else {}
    return Reading(
        picture=table.paths("picture"),
        form=form,  # type: ignore[arg-type]
        id=table.paths("id"),
        seed=table.paths("seed"),
        version=table.paths("version"),
        prompt=table.paths("prompt"),
        cost=_cost(table),
        **more,
    )


def _states(table: Table) -> States:
    kinds = {kind: table.words(kind) for kind in _STATES[1:]}
    every = [word for words in kinds.values() for word in words]
    for word in every:
        if every.count(word) > 1:
            raise table.error(f"{word!r} is named twice")
    if every and "path" not in table:
        raise table.error('is missing. Write where the word stands: path = "status"', "path")
    return States(table.paths("path"), **kinds)


def _refusal(table: Table) -> Refusal:
    if "matches" not in table:
        raise table.error('is missing. Write what is looked for: matches = "(?i)moderat"', "matches")
    statuses = table.value("status") or []
    statuses = statuses if isinstance(statuses, list) else [statuses]
    if not all(isinstance(one, int) and 200 <= one < 600 for one in statuses):
        raise table.error("must be a status of HTTP, or a list of such", "status")
    return Refusal(table.pattern("matches"), table.paths("path"), tuple(statuses))
