"""A ComfyUI graph: nodes whose inputs are values or links, and walks upstream that end even where links form a loop.

The picture's own `prompt` is such a graph. `workflow` is the drawing of it, which lists a node's values without their
names, so it is turned into a graph as far as its nodes are known. Knows links; what the inputs of a node mean is known
to `formats.comfyui`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from teststrip.imports.tables import Table, rows, table, words

MOST_NODES: Final = 5000
MOST_STEPS: Final = 50_000
"""Nodes that all walks through a graph may visit together."""

WIDGETS: Final[Mapping[str, Sequence[str]]] = {
    "KSampler": ("seed", "control", "steps", "cfg", "sampler_name", "scheduler", "denoise"),
    "KSamplerAdvanced": (
        *("add_noise", "noise_seed", "control", "steps", "cfg", "sampler_name", "scheduler"),
        *("start_at_step", "end_at_step", "return_with_leftover_noise"),
    ),
    "CheckpointLoader": ("config_name", "ckpt_name"),
    "CheckpointLoaderSimple": ("ckpt_name",),
    "UNETLoader": ("unet_name", "weight_dtype"),
    "LoraLoader": ("lora_name", "strength_model", "strength_clip"),
    "LoraLoaderModelOnly": ("lora_name", "strength_model"),
    "CLIPTextEncode": ("text",),
    "EmptyLatentImage": ("width", "height", "batch_size"),
    "EmptySD3LatentImage": ("width", "height", "batch_size"),
    "FluxGuidance": ("guidance",),
    "BasicScheduler": ("scheduler", "steps", "denoise"),
    "KSamplerSelect": ("sampler_name",),
    "RandomNoise": ("noise_seed", "control"),
    "CFGGuider": ("cfg",),
    "ModelSamplingSD3": ("shift",),
    "CLIPSetLastLayer": ("stop_at_clip_layer",),
    "PrimitiveNode": ("value",),
    "SaveImage": ("filename_prefix",),
    "LoadImage": ("image", "upload"),
}
"""The names of the values that a drawing lists, in its order. Source: the nodes of ComfyUI 0.36."""


@dataclass(frozen=True, slots=True)
class Link:
    """Where an input comes from.

    Attributes:
        node: the id of the node.
        slot: which of its outputs.
    """

    node: str
    slot: int


@dataclass(frozen=True, slots=True)
class Node:
    """A node.

    Attributes:
        id: as the graph spells it.
        kind: its class.
        values: inputs that are written into the node.
        links: inputs that come from another node.
    """

    id: str
    kind: str
    values: Table
    links: Mapping[str, Link]

    def is_a(self, *parts: str) -> bool:
        """Whether the class has any of these words in its name."""
        return any(part in self.kind.lower() for part in parts)


class Graph:
    """Nodes by id, and walks upstream; all walks together visit MOST_STEPS nodes at most."""

    def __init__(self, nodes: Mapping[str, Node]) -> None:
        self.nodes = nodes
        self.steps = 0

    def get(self, link: Link | None) -> Node | None:
        """The node that a link leads to; None for no link, and where there is no such node."""
        return self.nodes.get(link.node) if link else None

    def upstream(self, start: Node, follow: Callable[[Node], Sequence[Link]] | None = None) -> Iterator[Node]:
        """The node and all that it depends on, the nearest first, each once.

        Args:
            start: where the walk begins.
            follow: the links of a node that are followed, by default all.
        """
        seen, due = {start.id}, deque([start])
        while due:
            node = due.popleft()
            self.steps += 1
            if self.steps > MOST_STEPS:
                return
            yield node
            for link in follow(node) if follow else node.links.values():
                after = self.get(link)
                if after is not None and after.id not in seen:
                    seen.add(after.id)
                    due.append(after)


def of_prompt(found: object) -> Graph | None:
    """The graph of a `prompt`; None where it is none, or too large."""
    entries = table(found)
    if not entries or len(entries) > MOST_NODES:
        return None
    nodes = {}
    for name, entry in entries.items():
        kind, inputs = table(entry).get("class_type"), table(table(entry).get("inputs"))
        if isinstance(kind, str):
            links = {key: link for key, value in inputs.items() if (link := _link(value))}
            values = {key: _literal(value) for key, value in inputs.items() if key not in links}
            nodes[name] = Node(name, kind, values, links)
    return Graph(nodes) if nodes else None


def of_workflow(found: object) -> Graph | None:
    """The graph of a `workflow`; None where it is none, or too large. Values of unknown nodes are left out."""
    whole = table(found)
    entries = rows(whole.get("nodes"))
    if not entries or len(entries) > MOST_NODES:
        return None
    sources = _sources(whole.get("links"))
    nodes = {}
    for entry in entries:
        name, kind = str(entry.get("id")), words(entry.get("type"))
        if entry.get("mode") in (2, 4):  # muted or bypassed
            continue
        listed = entry.get("widgets_values")
        names = WIDGETS.get(kind, ())
        values = dict(zip(names, listed, strict=False)) if isinstance(listed, list) else table(listed)
        links = {}
        for one in rows(entry.get("inputs")):
            source = sources.get(str(one.get("link")))
            if source and isinstance(one.get("name"), str):
                links[str(one["name"])] = source
        nodes[name] = Node(name, kind, {key: value for key, value in values.items() if key not in links}, links)
    return Graph(nodes)


def _sources(links: object) -> dict[str, Link]:
    """Where each link begins, by its number: a list of number, node, slot, and more."""
    found = {}
    for one in links if isinstance(links, list) else []:
        if isinstance(one, list) and len(one) >= 3 and isinstance(one[2], int):
            found[str(one[0])] = Link(str(one[1]), one[2])
    return found


def _link(value: object) -> Link | None:
    if isinstance(value, list) and len(value) == 2 and isinstance(value[1], int) and isinstance(value[0], str | int):
        return Link(str(value[0]), value[1])
    return None


def _literal(value: object) -> object:
    """A value; ComfyUI wraps a list that is a value."""
    wrapped = table(value)
    return wrapped.get("__value__", value)
