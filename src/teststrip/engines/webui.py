"""Web UIs of Stable Diffusion on the user's own machines: A1111, Forge, reForge, SD.Next, and others of their protocol.

A server is asked what it has when a run begins, and each answer is held against what was asked. A picture that the
server made in another way is a Failure, because it would lie in a wrong cell. Nothing is paid, so what was lost on the
way is asked again.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from teststrip import plugins
from teststrip.errors import EngineError, StudyError
from teststrip.hosted import checked
from teststrip.hosted.asking import Asking, Manners, OpenPurse
from teststrip.hosted.engine import OPTIONS
from teststrip.hosted.trouble import Trouble
from teststrip.records import Failure, Fingerprint, Render, Seeds, Setting, Shot, Value, by_name
from teststrip.servers import NOT_ASKED
from teststrip.webui import checking, reading, served
from teststrip.webui.lists import API, NO_HASH, Lists, Unknown, stem
from teststrip.webui.options import Options
from teststrip.webui.order import Order, order
from teststrip.webui.said import Said, said
from teststrip.webui.settings import LONGEST_PROMPT, OWN_OPTIONS, SETTINGS, check, overrides
from teststrip.webui.tasks import Tasks, end, interrupt

if TYPE_CHECKING:
    from teststrip.webui.web import Web

OPERATION = frozenset({"threads", "timeout", "attempts", "first_wait", "unconfirmed"})


class WebuiEngine:
    """Asks a web UI of your own: A1111, Forge, reForge, SD.Next, and servers of their protocol.

    Args:
        provider: a server of the user's configuration; None = http://127.0.0.1:7860.
        threads: requests at a time; these servers draw one picture at a time.
        timeout: seconds until an answer counts as lost.
        attempts: requests for an image at most.
        first_wait: seconds before the first repeat.
        unconfirmed: whether a picture counts of which the server does not say that it used each setting.
    """

    options: ClassVar[Mapping[str, Setting]] = by_name(
        *(option for option in OPTIONS if option.name != "threads"),
        Setting("threads", "int", 1, low=1, high=64, doc="Requests at a time; a web UI draws one after another."),
        Setting(
            "unconfirmed",
            "bool",
            default=False,
            doc="Also take pictures of which the server does not say that it used each setting.",
        ),
    )
    operation: ClassVar[frozenset[str]] = OPERATION
    seeds: ClassVar[Seeds] = "exact"
    loads: ClassVar[frozenset[str]] = frozenset({"model", "vae"})

    def __init__(
        self,
        *,
        provider: str | None = None,
        timeout: float = 600.0,
        attempts: int = 6,
        first_wait: float = 1.0,
        threads: int = 1,
        unconfirmed: bool = False,
    ) -> None:
        self._provider = provider
        self._timeout = timeout
        self._manners = Manners(threads=threads, attempts=attempts, first_wait=first_wait)
        self._unconfirmed = unconfirmed
        self._web: Web | None = None
        self._lists: Lists | None = None
        self._asking: Asking | None = None
        self._tasks = Tasks()
        self._options = Options({})
        self._lock = threading.Lock()  # protects the two tables below, which the threads of requests share
        self._steady: dict[tuple[str, ...], str] = {}
        self._hashes: dict[str, str] = {}

    @classmethod
    def served(cls, address: str) -> Mapping[str, Setting]:
        """The settings with a server's choices, as `servers.Served` says."""
        return served.settings(address)

    @classmethod
    def begun(cls, address: str) -> Mapping[str, object]:
        """The keys of a study that fits a server, as `servers.Served` says."""
        return served.study(address)

    @property
    def settings(self) -> Mapping[str, Setting]:
        """Those of the protocol."""
        return SETTINGS

    def check(self, settings: Mapping[str, Value]) -> None:
        """Raise StudyError where values cannot go together. What the server has is not known here."""
        check(settings)

    def calls(self, settings: Mapping[str, Value]) -> int | None:
        """None: how a server computes is not known."""
        return None

    def turns(self, cells: Sequence[Mapping[str, Value]]) -> Sequence[int]:
        """A turn for each model and VAE, because a server takes long to change them."""
        loaded = [(str(cell.get("model") or ""), str(cell.get("vae") or "")) for cell in cells]
        order_of = {one: turn for turn, one in enumerate(dict.fromkeys(loaded))}
        return [order_of[one] for one in loaded]

    def meet(self) -> None:
        """Ask the server what it has, as `servers.Meets` says."""
        if self._lists is None:
            self._lists = reading.read(self._connected())
            self._options = Options(self._lists.options)

    def rehearse(self, settings: Mapping[str, Value]) -> str:
        """Why the server cannot make this; "" also as long as the server was not asked."""
        if self._lists is None:
            return ""
        try:
            self._ordered(settings, self._lists)
        except (Unknown, StudyError) as unknown:
            return str(unknown)
        return ""

    def remark(self, settings: Mapping[str, Value]) -> str:
        """That the server was not asked, as long as it was not."""
        return "" if self._lists else "are not held against what the server has: --ask does that, and so does run"

    def fingerprint(self, shot: Shot) -> Fingerprint:
        """The program, the model and its hash, the VAE, and the options and extensions that change pictures."""
        facts: dict[str, object] = {"engine": "webui"}
        if self._provider is not None:
            facts["provider"] = self._provider
        if self._lists is None:
            return Fingerprint({**facts, NOT_ASKED: "not asked"})
        found, settings = self._lists, shot.settings
        facts |= {"program": found.program, "version": found.version, "extensions": dict(found.extensions)}
        try:
            model = found.model(str(settings["model"])) if settings.get("model") else found.loaded
        except Unknown:
            model = None
        if model is not None:
            with self._lock:
                digest = model.hash or model.sha256[:10] or self._hashes.get(model.title, "")
            facts |= {"checkpoint": stem(model.title), "model_hash": digest}
        asked = {option for option, name in OWN_OPTIONS.items() if settings.get(name) is not None}
        asked |= {"clip_skip"} if settings.get("clip_skip") is not None else set()
        with contextlib.suppress(StudyError):
            asked |= overrides(settings).keys()
        facts["options"] = {name: value for name, value in found.acting.items() if name not in asked}
        return Fingerprint(facts)

    def render(self, shots: Iterable[Shot]) -> Iterator[Render | Failure]:
        """One answer a shot, in the order in which they come.

        Raises:
            EngineError: the server is not reached, or no request can succeed.
            MissingExtra: the package that makes the connections is not installed.
        """
        self.meet()
        self._connected()
        self._asking = Asking(
            self._ask,
            price=lambda shot: None,
            fingerprint=self.fingerprint,
            manners=self._manners,
            purse=OpenPurse(),
        )
        yield from self._asking.render(shots)

    def finish(self) -> None:
        """Begin no further request."""
        if self._asking is not None:
            self._asking.finish()

    def close(self) -> None:
        """Interrupt what the server still draws for us, set back the options that we changed; close the connections."""
        if self._web is not None:
            end(self._web, self._tasks.under_way())
            self._options.set_back(self._web, self._web.base)
            self._web.close()
            self._web = None

    def _connected(self) -> Web:
        if self._web is None:
            try:
                from teststrip.webui.web import Web
            except ModuleNotFoundError as error:
                raise plugins.missing(error) from error
            self._web = Web(served.server(self._provider), self._timeout)
        return self._web

    def _ask(self, shot: Shot) -> checked.Answer:
        """One request for one picture. Called in threads."""
        checked.sendable(shot.prompt, LONGEST_PROMPT)
        checked.sendable(str(shot.settings.get("negative_prompt") or ""), LONGEST_PROMPT)
        if self._lists is None:  # `render` has asked
            raise EngineError("the server was not asked")
        try:
            asked = self._ordered(shot.settings, self._lists)
        except (Unknown, StudyError) as unknown:
            raise Trouble("invalid", str(unknown)) from None
        web = self._connected()
        self._options.send(asked.options)
        with self._tasks.one() as task:
            try:
                answer = web.post(f"{API}/txt2img", {**asked.body, "force_task_id": task})
            except Trouble as trouble:
                if trouble.kind == "timeout":
                    interrupt(web, {task})
                raise
        return self._judged(asked, said(answer), web)

    def _ordered(self, settings: Mapping[str, Value], found: Lists) -> Order:
        """The order of a picture, which sets back what another order of this run may set: Forge keeps options."""
        asked = order(settings, found, self._options.foreseen)
        self._options.foresee(asked.options)
        return asked

    def _judged(self, asked: Order, answer: Said, web: Web) -> checked.Answer:
        """The picture of an answer, if the server made it as it was asked."""
        found = checking.held(asked, answer)
        if found.against:
            raise Trouble("invalid", f"not the picture that was asked for. {web.told('; '.join(found.against))}")
        if found.unconfirmed and not self._unconfirmed:
            raise Trouble(
                "invalid",
                f"the server does not say whether it used {', '.join(found.unconfirmed)}. Write unconfirmed = true"
                " under [engine] to take such pictures, or leave that out",
            )
        self._keep_steady(asked, answer)
        size = None if asked.settings.get("hires_upscale") is not None else asked.size
        picture = checked.picture(answer.data, facts=_facts(answer, found.unconfirmed), paid=None, size=size)
        if asked.size is not None and max(abs(picture.width - asked.size[0]), abs(picture.height - asked.size[1])) >= 8:
            wanted, came = "x".join(map(str, asked.size)), f"{picture.width}x{picture.height}"
            raise Trouble("invalid", f"a picture of {wanted} was asked for, and one of {came} came")
        return picture

    def _keep_steady(self, asked: Order, answer: Said) -> None:
        """Check that the server is the one that it was at its first picture of this model and VAE. Raises Trouble."""
        now = checking.steady(asked, answer)
        digest = next(iter(answer.values(("sd_model_hash",), ("modelhash",))), None)
        with self._lock:
            before = {key: self._steady.setdefault(key, value) for key, value in now.items()}
            if asked.model and isinstance(digest, str) and digest != NO_HASH:
                self._hashes.setdefault(asked.model.title, digest)
        for key, is_now in sorted(now.items()):
            if is_now != before[key]:
                name, was = key[0], before[key]
                raise Trouble("invalid", f"the server changed during the run: its {name} was {was}, and is {is_now}")


def _facts(answer: Said, unconfirmed: Sequence[str]) -> dict[str, object]:
    """What the answer says that was not asked: the program, the model, the sampler where the server chose it."""
    first = {
        name: next(iter(answer.values(info, text)), None)
        for name, info, text in (
            ("model", ("sd_model_name",), ("model",)),
            ("hash", ("sd_model_hash",), ("modelhash",)),
            ("vae", ("sd_vae_name",), ("vae",)),
            ("vae_hash", ("sd_vae_hash",), ("vaehash",)),
            ("version", ("version",), ("version",)),
        )
    }
    answered = {name: str(value)[:200] for name, value in first.items() if value not in (None, "", NO_HASH)}
    facts: dict[str, object] = {"answered": answered} if answered else {}
    if isinstance(sampler := next(iter(answer.values(("sampler_name",), ("sampler",))), None), str):
        facts["scheduler"] = sampler[:200]
    if unconfirmed:
        facts["unconfirmed"] = list(unconfirmed)
    return facts
