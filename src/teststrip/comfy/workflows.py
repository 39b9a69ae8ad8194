"""A graph in ComfyUI's API format, cut to what the saved picture needs, and the places that settings fill.

Every input that is a seed must be a place of the setting `seed`: another one would be the same in all replicates.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from teststrip.errors import EngineError, among
from teststrip.imports.graph import Graph, Node, of_prompt
from teststrip.records import Setting, Value, digest_of, plain

MOST_BYTES: Final = 8 * 2**20
PREFIX: Final = "filename_prefix"
"""The input by which a node that saves pictures names its files."""

SEED_NAMES: Final = ("seed", "noise_seed")
EXPORT: Final = 'In ComfyUI, choose File, then Export (API), and name the file that it writes by workflow = "FILE.json"'
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")

Nodes = Mapping[str, Mapping[str, Any]]
"""Nodes by id, each with `class_type` and `inputs`."""


@dataclass(frozen=True, slots=True)
class Place:
    """An input of a node.

    Attributes:
        node: the id of the node.
        input: the name of the input.
    """

    node: str
    input: str


@dataclass(frozen=True, slots=True)
class Workflow:
    """A graph and its places.

    Attributes:
        nodes: those that the saved picture needs.
        places: by setting.
        saver: the id of the node that saves the picture.
        titles: of nodes, by id, for messages.
    """

    nodes: Nodes
    places: Mapping[str, tuple[Place, ...]]
    saver: str
    titles: Mapping[str, str]

    def filled(self, settings: Mapping[str, Value]) -> dict[str, dict[str, Any]]:
        """The graph with the values of these settings in their places; without a value, the graph's own stays."""
        graph = {
            name: {"class_type": node["class_type"], "inputs": dict(node["inputs"])}
            for name, node in self.nodes.items()
        }
        for name, places in self.places.items():
            if settings.get(name) is not None:
                for place in places:
                    graph[place.node]["inputs"][place.input] = settings[name]
        return graph

    def digest(self, settings: Mapping[str, Value]) -> str:
        """SHA-256 of the graph without the places that these settings fill."""
        graph = self.filled({})
        graph[self.saver]["inputs"].pop(PREFIX, None)
        for name, places in self.places.items():
            for place in places if settings.get(name) is not None else ():
                graph[place.node]["inputs"].pop(place.input, None)
        return digest_of(plain(graph))

    def spoken(self, place: Place) -> str:
        """A place as the study's user knows it."""
        return f"{self.titles.get(place.node, place.node)}.{place.input}"

    def setting_of(self, place: Place) -> str | None:
        """The setting that fills a place; None = none."""
        return next((name for name, places in self.places.items() if place in places), None)


def parse(text: str, lines: str) -> Workflow:
    """The graph of a file, with its places.

    Args:
        text: of the file, JSON.
        lines: "KSampler.seed = seed", a place a line or between semicolons.

    Raises:
        EngineError: the file is no graph in API format, or a place is not there; the message says what to do.
    """
    nodes = _nodes(text)
    titles = {name: _title(name, node) for name, node in nodes.items()}
    graph = of_prompt(nodes)
    if graph is None:
        raise EngineError(f"workflow: this is no graph in API format. {EXPORT}")
    saver = _saver(nodes, titles)
    needed = {node.id for node in graph.upstream(graph.nodes[saver])}
    cut = {name: node for name, node in nodes.items() if name in needed}
    if not lines.strip():
        raise EngineError(f"places: which inputs are settings? Write, for example, places = {_proposed(cut, titles)}")
    found = Workflow(cut, _places(lines, nodes, titles, needed), saver, titles)
    _check(found, graph)
    return found


def kinds(workflow: Workflow, known: Mapping[str, Setting]) -> dict[str, Setting]:
    """The settings that places name: the house's own, or of the kind that the workflow's value has.

    A number is always a float, because a workflow writes 8 for 8.0; a server that wants whole numbers refuses others.
    """
    found = {}
    for name, places in workflow.places.items():
        value = workflow.nodes[places[0].node]["inputs"][places[0].input]
        kind = {bool: "bool", int: "float", float: "float"}.get(type(value), "str")
        doc = f"{workflow.spoken(places[0])} of the workflow."
        found[name] = known.get(name) or Setting(name, kind, doc=doc)  # type: ignore[arg-type]
    return found


def _nodes(text: str) -> dict[str, dict[str, Any]]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise EngineError(f"workflow: the file is no JSON: {error}") from None
    if isinstance(found, dict) and isinstance(found.get("nodes"), list):
        raise EngineError(f"workflow: this is the drawing that ComfyUI saves, not its API format. {EXPORT}")
    if not isinstance(found, dict) or not found:
        raise EngineError(f"workflow: this is no graph in API format. {EXPORT}")
    for name, node in found.items():
        if not (
            isinstance(node, dict)
            and isinstance(node.get("class_type"), str)
            and isinstance(node.setdefault("inputs", {}), dict)
        ):
            raise EngineError(f"workflow: node {name!r} has no class_type or no inputs. {EXPORT}")
    return found


def _title(name: str, node: Mapping[str, Any]) -> str:
    meta = node.get("_meta")
    title = meta.get("title") if isinstance(meta, Mapping) else None
    return title if isinstance(title, str) and title else name


def _saver(nodes: Nodes, titles: Mapping[str, str]) -> str:
    savers = [name for name, node in nodes.items() if isinstance(node["inputs"].get(PREFIX), str)]
    if not savers:
        raise EngineError("workflow: no node saves the picture under a name. End the workflow with a node Save Image")
    if len(savers) > 1:
        named = ", ".join(titles[name] for name in savers)
        raise EngineError(f"workflow: {len(savers)} nodes save pictures ({named}). Keep the one whose picture is asked")
    return savers[0]


def _places(lines: str, nodes: Nodes, titles: Mapping[str, str], needed: set[str]) -> dict[str, tuple[Place, ...]]:
    found: dict[str, tuple[Place, ...]] = {}
    taken: dict[Place, str] = {}
    for line in filter(None, (one.strip() for one in re.split(r"[\n;]", lines))):
        left, equals, name = (part.strip() for part in line.rpartition("="))
        title, dot, key = left.rpartition(".")
        if not equals or not dot or not _NAME.fullmatch(name):
            raise EngineError(f"places: {line[:80]!r} is no place. Write KSampler.seed = seed, a place a line")
        place = Place(_node(title.strip().strip('"'), nodes, titles), key.strip())
        inputs = nodes[place.node]["inputs"]
        if place.input not in inputs:
            raise EngineError(f"places: {title} has no input {key!r}{among(key, inputs, 'There are')}")
        if isinstance(inputs[place.input], list):
            raise EngineError(f"places: {left} comes from another node. Name the input of that node")
        if place.node not in needed:
            raise EngineError(f"places: {left} does nothing for the picture that is saved")
        if place in taken:
            raise EngineError(f"places: {left} is two settings, {taken[place]} and {name}. Keep one of them")
        taken[place] = name
        found[name] = (*found.get(name, ()), place)
    return found


def _node(title: str, nodes: Nodes, titles: Mapping[str, str]) -> str:
    """The id of a node by its title, or by the id itself."""
    named = [name for name, one in titles.items() if one == title]
    if len(named) > 1:
        raise EngineError(
            f"places: {len(named)} nodes have the title {title!r}. Write the id ({', '.join(named)}) in its place, or"
            " give the nodes titles of their own in ComfyUI"
        )
    if named:
        return named[0]
    if title in nodes:
        return title
    raise EngineError(f"places: there is no node {title!r}{among(title, sorted(set(titles.values())), 'There are')}")


def _check(workflow: Workflow, graph: Graph) -> None:
    """What no graph of a study may be.

    Raises:
        EngineError: no place takes the prompt, a seed is not bound, or several pictures are made at a time.
    """
    for name in ("prompt", "seed"):
        if name not in workflow.places:
            example = "Positive.text = prompt" if name == "prompt" else "KSampler.seed = seed"
            raise EngineError(f"places: nothing takes the {name}. Write, for example, {example}")
    seeds = set(workflow.places["seed"])
    for place in seed_inputs(workflow.nodes):
        if not _bound(place, graph, seeds):
            raise EngineError(
                f"places: {workflow.spoken(place)} is a seed and would be the same in all replicates. Write"
                f" {workflow.spoken(place)} = seed"
            )
    for name, node in workflow.nodes.items():
        size = node["inputs"].get("batch_size")
        if isinstance(size, int) and size > 1:
            raise EngineError(
                f"workflow: {workflow.titles[name]}.batch_size is {size}, so several pictures have one seed. Make it"
                " 1; more pictures of a prompt are replicates"
            )


def seed_inputs(nodes: Nodes) -> Iterator[Place]:
    """The inputs that are seeds by their names."""
    for name, node in nodes.items():
        for key, value in node["inputs"].items():
            if key in SEED_NAMES and not isinstance(value, bool) and isinstance(value, int | float | list):
                yield Place(name, key)


def _bound(place: Place, graph: Graph, seeds: set[Place]) -> bool:
    """Whether an input is a place of the seed, or comes from a node that has one."""
    if place in seeds:
        return True
    node: Node = graph.nodes[place.node]
    source = graph.get(node.links.get(place.input))
    if source is None:
        return False
    before = {one.id for one in graph.upstream(source)}
    return any(seed.node in before for seed in seeds)


def _proposed(nodes: Nodes, titles: Mapping[str, str]) -> str:
    """Places that a study of this graph probably wants."""
    wanted = {
        **dict.fromkeys(SEED_NAMES, "seed"),
        "steps": "num_inference_steps",
        "cfg": "guidance_scale",
        "sampler_name": "scheduler",
        "scheduler": "spacing",
        "text": "prompt",
        "width": "width",
        "height": "height",
    }
    found = [
        f"{titles[name]}.{key} = {wanted[key]}"
        for name, node in nodes.items()
        for key, value in node["inputs"].items()
        if key in wanted and not isinstance(value, list)
    ]
    return '"""' + "; ".join(found[:12]) + '"""'
