"""The graph of one shot, with all values as one server reads them, and what answers it there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from teststrip.comfy.families import CHECKPOINT, DIFFUSION_MODEL, Family, build
from teststrip.comfy.nodes import Known, fitted
from teststrip.comfy.server import FOLDERS, Server
from teststrip.comfy.workflows import Place, Workflow
from teststrip.errors import StudyError
from teststrip.records import Value

Graph = dict[str, dict[str, Any]]


def of_family(family: Family, server: Server, settings: Mapping[str, Value]) -> Workflow:
    """The built-in graph, which depends on whether the server has the model as one file or in parts.

    Raises:
        StudyError: a part is named of a model that is one file.
        Trouble: the server was not reached.
    """
    model = settings.get("model")
    in_parts = bool(family.encoders) and model in _listed(server, *DIFFUSION_MODEL)
    whole = not in_parts and (not family.encoders or model in _listed(server, *CHECKPOINT))
    built = build(family, whole=whole, own_vae=settings.get("vae") is not None)
    for name, value in settings.items():
        if value is not None and name not in built.places:
            raise StudyError(f"{name}: {model!r} is one file, which holds its own. Leave {name} out")
    return built


def fit(workflow: Workflow, server: Server, settings: Mapping[str, Value]) -> Graph:
    """The graph of a shot.

    Raises:
        StudyError: the server lacks a node or a name, or would take another value.
        Trouble: the server was not reached.
    """
    graph = workflow.filled(settings)
    for name, node in graph.items():
        kind = node["class_type"]
        known = server.node(kind)
        if known is None:
            raise StudyError(f"{workflow.titles.get(name, name)}: there is no node {kind!r} on the server")
        if known.partner:
            raise StudyError(f"{kind} asks a paid service, which no limit of money here could hold. Take the node out")
        for key, wanted in known.inputs.items():
            _check_place(workflow, Place(name, key), known, node["inputs"])
            value = node["inputs"].get(key)
            if key not in node["inputs"] or isinstance(value, list):
                continue
            try:
                node["inputs"][key] = fitted(value, wanted)
            except StudyError as error:
                place = Place(name, key)
                raise StudyError(f"{workflow.setting_of(place) or workflow.spoken(place)}: {error}") from None
    return graph


def identity(workflow: Workflow, graph: Graph, server: Server, settings: Mapping[str, Value]) -> dict[str, object]:
    """What answers a graph on a server, beside the server itself: workflow, models' files, custom packages.

    Raises:
        Trouble: the server was not reached.
    """
    nodes = [server.node(node["class_type"]) for node in graph.values()]
    files = {
        (key, value)
        for node in graph.values()
        for key, value in node["inputs"].items()
        if key in FOLDERS and isinstance(value, str)
    }
    return {
        "workflow": workflow.digest(settings),
        "files": [server.file(*one) for one in sorted(files)],
        "packages": sorted({node.package for node in nodes if node and node.package}),
    }


def _check_place(workflow: Workflow, place: Place, known: Known, inputs: Mapping[str, Any]) -> None:
    """Refuse a place that the server needs and the graph lacks, and a seed under any name that no setting fills."""
    wanted = known.inputs[place.input]
    if place.input not in inputs:
        if wanted.required:
            raise StudyError(f"{workflow.spoken(place)} is missing, and the server needs it")
    elif wanted.seed and not isinstance(inputs[place.input], list) and workflow.setting_of(place) != "seed":
        spoken = workflow.spoken(place)
        raise StudyError(f"{spoken} is a seed and would be the same in all replicates. Write {spoken} = seed")


def _listed(server: Server, kind: str, name: str) -> tuple[Any, ...]:
    """The names that a server offers for an input of a node."""
    known = server.node(kind)
    return known.inputs[name].choices if known is not None and name in known.inputs else ()
