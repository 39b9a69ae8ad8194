"""ComfyUI's other inputs: what the nodes before the saved picture have written into them and no reader knows by name.

Each is a setting of its own, named by the node's class and the input: `freeu_b1`. Of several nodes of one class the
second one is `freeu_2_b1`, in the order of the walk from the picture. Nothing is left out silently but what changes no
picture or may name a person: file names of pictures and of the saver, notes, previews and seeds.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator
from itertools import islice
from typing import Final

from teststrip.imports.graph import MOST_STEPS, Graph, Node
from teststrip.imports.notes import KEYS, KINDS, Notes, number, own_name, squeezed

MOST: Final = 200
"""Inputs of a graph that are taken down. A graph of 40 nodes has about 100."""
TOO_MANY: Final = "the graph has more values than are read: those far from the picture are left out"
_LONGEST_NAME: Final = 100  # characters of a class and of an input, so that a long class costs nothing for each input
_LAST_LAYER: Final = "stop_at_clip_layer"
_NODES: Final = ("loadimage", "note", "preview", "save", "imageoutput", "showtext", "display")
_INPUTS: Final = ("seed", "filename", "apikey", "password", "secret", "accesstoken", "authtoken")
_LETTERS: Final = re.compile("[A-Za-z0-9]")
_OURS: Final = frozenset({*KEYS.values(), *KINDS, "lora_scale"})
_WHOLE_INPUTS: Final = frozenset({"control", "controlaftergenerate", "upload", "ischanged"})


def take_down(graph: Graph, end: Node, known: Collection[tuple[str, str]], notes: Notes) -> None:
    """Take all other inputs down.

    Args:
        graph: of the picture.
        end: where its pictures are saved.
        known: node and input of what was read already.
        notes: where the settings go.
    """
    found = list(islice(_inputs(graph, end, known), MOST + 1))
    for key, name, value in found[:MOST]:
        layer = number(value) if name == _LAST_LAYER else None
        if isinstance(layer, int) and -100 <= layer <= -1 and "clip_skip" not in notes.settings:
            notes.put("clip_skip", -1 - layer)  # ComfyUI counts from the end, -1 the last layer; Diffusers' 0 is that
        else:
            notes.say_own(key, value)
    if len(found) > MOST or graph.steps > MOST_STEPS:
        notes.remark(TOO_MANY)


def _inputs(graph: Graph, end: Node, known: Collection[tuple[str, str]]) -> Iterator[tuple[str, str, object]]:
    """The key of a setting, the input's name and its value, of each input that may change a picture."""
    ends = ((name, link) for node in graph.nodes.values() for name, link in node.links.items())
    seeds = {link.node for name, link in ends if "seed" in squeezed(name[:_LONGEST_NAME])}
    met: Counter[str] = Counter()
    for node in graph.upstream(end):
        met[node.kind] += 1
        if node.id in seeds or node.is_a(*_NODES):
            continue
        which = f" {met[node.kind]}" if met[node.kind] > 1 else ""
        for name, value in node.values.items():
            if value is not None and (node.id, name) not in known and not _changes_nothing(name, value):
                yield _key(node.kind[:_LONGEST_NAME] + which, name[:_LONGEST_NAME]), name, value


def _key(kind: str, name: str) -> str:
    """The name of a setting, which never is one of Diffusers', or what no setting can be called."""
    if not (_LETTERS.search(kind) and _LETTERS.search(name)):
        return f"0 {kind} {name}"  # no name begins with a digit, so `say_own` says that it cannot be a setting
    return f"{kind} node {name}" if own_name(f"{kind} {name}") in _OURS else f"{kind} {name}"


def _changes_nothing(name: str, value: object) -> bool:
    plain = squeezed(name[:_LONGEST_NAME])
    whole = plain == "denoise" and number(value) == 1
    return whole or plain in _WHOLE_INPUTS or any(word in plain for word in _INPUTS)
