"""ComfyUI: a graph of the user's own, or a built-in one, on one server or on several that share a study.

A server that does not know a name refuses it, and one that runs another graph is found out by the picture itself, which
holds the graph that made it. So no picture can stand in a wrong cell, whatever the server did.
"""

from __future__ import annotations

import difflib
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Final

from teststrip import plugins
from teststrip.comfy import families, graphs, offered, workflows
from teststrip.comfy.families import FAMILIES, Family
from teststrip.comfy.pool import Pool, difference
from teststrip.comfy.samplers import SAMPLERS, meant
from teststrip.comfy.server import Server
from teststrip.comfy.workflows import PREFIX, Workflow
from teststrip.errors import EngineError, StudyError, first_line, nearest, shortened
from teststrip.hosted import checked
from teststrip.hosted.asking import Asking, Manners, OpenPurse
from teststrip.hosted.engine import OPERATION, OPTIONS
from teststrip.hosted.trouble import Trouble
from teststrip.records import Failure, Fingerprint, Render, Seeds, Setting, Shot, Value, by_name
from teststrip.servers import NOT_ASKED

LONGEST_PROMPT: Final = 100_000  # characters; models read fewer tokens
TYPO: Final = 0.85
"""From this likeness on, an unknown sampler is a known one misspelled; below, a server may have it by a custom node."""

TOOK: Final = "server seconds"
"""The fact that holds the seconds in which a server ran the graph of a picture."""

SETTINGS: Final = by_name(
    Setting("prompt", "str", doc="The text to draw."),
    Setting("seed", "int", 0, low=0, high=2**32 - 1, doc="The seed of the noise; the same seed, the same noise."),
    Setting("model", "str", is_name=True, doc="The file of the model, as the server lists it."),
    Setting("negative_prompt", "str", doc="What to keep away from."),
    Setting("num_inference_steps", "int", low=1, high=10_000, doc="Steps of the sampler."),
    Setting("guidance_scale", "float", low=0, high=100, doc="How closely the picture follows the prompt."),
    Setting("true_cfg_scale", "float", low=0, high=100, doc="Guidance with a negative prompt; 1 = none."),
    Setting("scheduler", "str", doc='The sampler, ComfyUI\'s sampler_name: "euler", "dpmpp_2m".'),
    Setting("spacing", "str", doc='How the steps are spaced, ComfyUI\'s scheduler: "normal", "karras".'),
    Setting("width", "int", low=16, high=16_384, doc="Pixels."),
    Setting("height", "int", low=16, high=16_384, doc="Pixels."),
    Setting("vae", "str", is_name=True, doc="The file of the VAE; left out, the checkpoint's own or the family's."),
    Setting("text_encoder", "str", is_name=True, doc="The file of the text encoder; left out, the family's."),
    Setting("text_encoder_2", "str", is_name=True, doc="The file of the second text encoder."),
    Setting("shift", "float", low=0, high=100, doc="Shifts the noise levels; left out, as the family does."),
    Setting("strength", "float", low=0, high=1, doc="ComfyUI's denoise, in a workflow that names its place."),
)
PLAIN: Final = tuple(name for name in SETTINGS if name != "strength")


class ComfyUIEngine:
    """Asks servers of ComfyUI.

    Args:
        family: the built-in graph; None where a workflow is given.
        workflow: a file in API format, from the study file on.
        places: the inputs of the workflow that are settings, "KSampler.seed = seed", a place a line.
        variant: a word that tells this workflow from another one of the same study.
        provider: servers of the user's configuration, joined by commas; None = this machine's own.
        threads: requests at a time, over all servers.
        timeout: seconds until a picture that is being made counts as lost.
        attempts: requests for an image at most.
        first_wait: seconds before the first repeat.

    Raises:
        EngineError: the workflow cannot be used; the message says why.
    """

    options: ClassVar[Mapping[str, Setting]] = by_name(
        Setting("family", "str", None, choices=tuple(FAMILIES), doc="The built-in graph that goes with the model."),
        Setting("workflow", "str", None, doc="A workflow in API format, from the study file on."),
        Setting("places", "str", None, doc='Inputs that are settings: "KSampler.seed = seed", a place a line.'),
        Setting("variant", "str", None, doc="A word that tells this workflow from another one of the same study."),
        *(one for one in OPTIONS if one.name != "provider"),
        Setting("provider", "str", None, doc="Servers by their names in your configuration, joined by commas."),
    )
    # A workflow is a path; what it holds is in each fingerprint. Which server answers changes no picture.
    operation: ClassVar[frozenset[str]] = OPERATION | {"provider", "workflow"}
    paths: ClassVar[frozenset[str]] = frozenset({"workflow"})
    seeds: ClassVar[Seeds] = "exact"

    def __init__(
        self,
        *,
        family: str | None = None,
        workflow: str | None = None,
        places: str | None = None,
        variant: str | None = None,
        provider: str | None = None,
        threads: int = 4,
        timeout: float = 600.0,
        attempts: int = 6,
        first_wait: float = 1.0,
    ) -> None:
        if workflow and family:
            raise EngineError("there are a workflow and a family. Keep one of them")
        if places and not workflow:
            raise EngineError('places: they are of a workflow. Name its file: workflow = "FILE.json"')
        self._family: Family | None = FAMILIES[family] if family else None
        self._own: Workflow | None = _read(Path(workflow), places or "") if workflow else None
        self._settings = _settings(self._family, self._own)
        names = tuple(filter(None, (name.strip() for name in (provider or "").split(","))))
        self._pool = Pool(names, timeout)
        self._manners = Manners(threads=threads, attempts=attempts, first_wait=first_wait)
        self._asking: Asking | None = None
        self._fingerprints: dict[object, Fingerprint] = {}

    @property
    def settings(self) -> Mapping[str, Setting]:
        """Those of the family, or those that the places of the workflow name."""
        return self._settings

    @classmethod
    def served(cls, address: str) -> Mapping[str, Setting]:
        """The settings of built-in graphs with the names and bounds of a server, as `servers.Served` says."""
        return offered.served(address, {name: SETTINGS[name] for name in PLAIN})

    @classmethod
    def begun(cls, address: str) -> Mapping[str, object]:
        """The keys of a study of sampler × steps on a server, as `servers.Served` says."""
        return offered.begun(address)

    def check(self, settings: Mapping[str, Value]) -> None:
        """Raise StudyError where graph or model is missing, or a value can be no server's."""
        if self._own is None and self._family is None:
            raise StudyError(
                f"family is missing. Write family = one of {', '.join(FAMILIES)}, or workflow = a file in API format"
            )
        if self._family is not None:
            if not settings.get("model"):
                raise StudyError("model is missing. Name its file as the server lists it: model = 'NAME.safetensors'")
            for side in ("width", "height"):
                size = settings.get(side)
                if isinstance(size, int) and size % self._family.multiple:
                    raise StudyError(f"{side}: {size} is no multiple of {self._family.multiple}, as the family needs")
        if isinstance(name := settings.get("scheduler"), str) and name not in SAMPLERS:
            _check_sampler(name)

    def calls(self, settings: Mapping[str, Value]) -> int | None:
        """None: what a sampler calls is the server's own business."""
        return None

    def meet(self) -> None:
        """Ask the servers whether they are there and alike, as `servers.Meets` says."""
        try:
            self._pool.servers()
        except ModuleNotFoundError as error:
            raise plugins.missing(error) from error

    def rehearse(self, settings: Mapping[str, Value]) -> str:
        """Why a server cannot make this; "" also as long as no server was asked."""
        servers = self._pool.met
        try:
            for server in servers:
                try:
                    self._graph(server, settings)
                except StudyError as error:
                    return f"{error} ({server.name})" if len(servers) > 1 else str(error)
        except Trouble as trouble:
            raise EngineError(trouble.text) from None
        return ""

    def remark(self, settings: Mapping[str, Value]) -> str:
        """That no server was asked, as long as none was."""
        return "" if self._pool.met else "are not held against what the server has: --ask does that, and so does run"

    def fingerprint(self, shot: Shot) -> Fingerprint:
        """ComfyUI's version, the graph without the places that the shot fills, the models' files, custom packages.

        Raises:
            EngineError: a server is out of reach, or two differ in more than their place.
        """
        if not self._pool.met:
            return Fingerprint({"engine": "comfyui", NOT_ASKED: "not asked"})
        asked = tuple(sorted((name, value) for name, value in shot.settings.items() if name not in ("prompt", "seed")))
        if asked not in self._fingerprints:
            try:
                self._fingerprints[asked] = self._print(shot.settings)
            except Trouble as trouble:
                raise EngineError(trouble.text) from None
            except StudyError as error:
                raise EngineError(str(error)) from None
        return self._fingerprints[asked]

    def render(self, shots: Iterable[Shot]) -> Iterator[Render | Failure]:
        """One answer a shot, in the order in which they come.

        Raises:
            EngineError: a server is out of reach, or no request can succeed.
            MissingExtra: the HTTP client is not installed.
        """
        self.meet()
        self._asking = Asking(
            self._guarded, price=lambda _: None, fingerprint=self.fingerprint, manners=self._manners, purse=OpenPurse()
        )
        for answer in self._asking.render(shots):
            took = answer.facts.get(TOOK) if isinstance(answer, Render) else None
            # The server's own seconds, because a request also waits for those before it.
            yield replace(answer, seconds=took) if isinstance(answer, Render) and isinstance(took, float) else answer

    def finish(self) -> None:
        """Begin no further request."""
        if self._asking is not None:
            self._asking.finish()

    def close(self) -> None:
        """Cancel what is under way, our own alone, and close the connections."""
        self._pool.close()
        self._fingerprints.clear()

    def _guarded(self, shot: Shot) -> checked.Answer:
        """One request, whose troubles are bounded. Runs in a thread."""
        try:
            checked.sendable(shot.prompt, LONGEST_PROMPT)
            with self._pool.chosen() as server:
                return self._ask(server, shot)
        except StudyError as error:
            raise Trouble("invalid", shortened(str(error), 300)) from None
        except Trouble:
            raise
        except Exception as error:  # a fault of a client must not leave its shot without an answer
            raise Trouble("invalid", shortened(f"{type(error).__name__}: {first_line(error)}", 300)) from None

    def _ask(self, server: Server, shot: Shot) -> checked.Answer:
        workflow, graph = self._graph(server, shot.settings)
        ident = str(uuid.uuid4())
        graph[workflow.saver]["inputs"][PREFIX] = f"teststrip/{ident}"  # a name of its own is in no cache
        picture = server.make(graph, workflow.saver, ident)
        took = {} if picture.seconds is None else {TOOK: picture.seconds}
        size = None
        if self._family is not None:
            latent = graph["latent"]["inputs"]
            size = (latent["width"], latent["height"])
        return checked.picture(picture.data, facts={"server": server.name, **took}, paid=None, size=size)

    def _graph(self, server: Server, settings: Mapping[str, Value]) -> tuple[Workflow, graphs.Graph]:
        """The workflow of a shot, and its graph as this server reads it."""
        family = self._family
        if family is None and self._own is None:
            raise StudyError("family is missing")
        workflow = self._own or graphs.of_family(family, server, settings)  # type: ignore[arg-type]
        return workflow, graphs.fit(workflow, server, settings)

    def _print(self, settings: Mapping[str, Value]) -> Fingerprint:
        servers, found = self._pool.met, []
        for server in servers:
            workflow, graph = self._graph(server, settings)
            found.append(graphs.identity(workflow, graph, server, settings))
            if why := difference(found[0], found[-1]):
                raise EngineError(f"{servers[0].name} and {server.name} are not alike: {why}")
        return Fingerprint({"engine": "comfyui", **self._pool.facts, **found[0]})


def _read(path: Path, places: str) -> Workflow:
    try:
        with path.open("rb") as file:
            data = file.read(workflows.MOST_BYTES + 1)
        text = data.decode("utf-8")
    except (OSError, ValueError) as error:
        raise EngineError(f"workflow: {path.name} cannot be read: {first_line(error)}") from None
    if len(data) > workflows.MOST_BYTES:
        raise EngineError(f"workflow: {path.name} is larger than {workflows.MOST_BYTES // 2**20} MB")
    return workflows.parse(text, places)


def _settings(family: Family | None, own: Workflow | None) -> Mapping[str, Setting]:
    if own is not None:
        return workflows.kinds(own, SETTINGS)
    names = set(families.names(family)) | {"vae"} if family else set(PLAIN)
    return {name: SETTINGS[name] for name in PLAIN if name in names}


def _check_sampler(name: str) -> None:
    if found := meant(name):
        raise StudyError(f"scheduler: {name!r} is not ComfyUI's word. Write {found}")
    if difflib.get_close_matches(name, SAMPLERS, n=1, cutoff=TYPO):
        raise StudyError(f"scheduler: {name!r} is unknown{nearest(name, SAMPLERS)}")
