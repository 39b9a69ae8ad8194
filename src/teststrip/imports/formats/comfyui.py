"""ComfyUI: the graph that made the picture, in `prompt`, or its drawing in `workflow`; in WebP as fields of EXIF.

The sampler that counts is the first one upstream of the node that saved the picture. Its settings may stand in the
sampler, or in nodes before it (noise, guider, sampler, sigmas). A text that nodes put together from several encoders is
no prompt of the picture, and is told so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from teststrip.imports import leftover
from teststrip.imports.graph import Graph, Link, Node, of_prompt, of_workflow
from teststrip.imports.notes import IMAGE_TO_IMAGE, Notes, number
from teststrip.imports.tables import read_json
from teststrip.imports.understood import Said, Understood
from teststrip.pictures.texts import Texts

TWO_SAMPLERS: Final = "{} samplers in the graph: the settings are those of the last one before the picture"
SEVERAL_TEXTS: Final = "the graph combines several texts. Write the prompt into a CSV beside the pictures"
NO_TEXT: Final = "no node of the graph holds it as a text"
BATCH: Final = "a batch: several pictures have this seed"

_TEXTS: Final = (
    *("text", "text_g", "text_l", "clip_l", "t5xxl", "populated_text", "prompt", "positive", "string", "value"),
)
_MODELS: Final = ("ckpt_name", "unet_name", "model_name", "base_ckpt_name", "gguf_name")
_JOINS: Final = ("concat", "join", "append", "combine")
_PASSES: Final = ("input", "value", "any")  # inputs of nodes that pass on what they get
_DEEPEST: Final = 60
_LONGEST: Final = 100_000  # characters of a text that nodes put together
_MOST_TEXTS: Final = 20  # that are looked at, because more than one is no prompt


def read(said: Said) -> Understood | None:
    """What the graph says; None where there is none."""
    graph = of_prompt(read_json(_text(said.texts, "prompt"))) or of_workflow(read_json(_text(said.texts, "workflow")))
    if graph is None:
        return None
    notes = Notes("ComfyUI")
    end, samplers = _samplers(graph)
    if end is None:
        notes.unread("prompt", "", "no node before the saved picture is a sampler")
        return notes.understood()
    if len(samplers) > 1:
        notes.remark(TWO_SAMPLERS.format(len(samplers)))
    walk = _Walk(graph, samplers[0], notes)
    walk.take_down()
    leftover.take_down(graph, end, walk.known, notes)
    return notes.understood()


def _text(texts: Texts, name: str) -> str:
    """The JSON of that name: a text of its own, or in a field of EXIF behind the name and a colon, in any case."""
    if found := texts.first(name, name.capitalize(), name.upper()):
        return found
    for field in ("exif:Make", "exif:ImageDescription", "exif:Model"):
        head, colon, rest = texts.first(field).partition(":")
        if colon and head.strip().lower() == name:
            return rest
    return ""


def _samplers(graph: Graph) -> tuple[Node | None, list[Node]]:
    """The node that saves a picture, and the samplers upstream of it, the nearest first.

    Where the graph saves none, all samplers, and the first one as the end.
    """
    ends = [node for node in graph.nodes.values() if node.is_a("save", "preview", "imageoutput") and node.links]
    ends.sort(key=lambda node: (not node.is_a("save"), not node.id.isdigit(), len(node.id), node.id))
    for end in ends:
        if found := [node for node in graph.upstream(end) if _is_sampler(node)]:
            return end, found
    found = [node for node in graph.nodes.values() if _is_sampler(node)] if not ends else []
    return (found[0] if found else None), found


def _is_sampler(node: Node) -> bool:
    inputs = {*node.values, *node.links}
    if node.is_a("samplerselect", "detailer", "upscale"):
        return False
    plain = {"steps", "cfg"} <= inputs and ("sampler_name" in inputs or "positive" in inputs)
    return plain or ({"sigmas", "sampler"} <= inputs and node.is_a("sampler"))


class _Walk:
    def __init__(self, graph: Graph, sampler: Node, notes: Notes) -> None:
        self.graph = graph
        self.sampler = sampler
        self.notes = notes
        self.known: set[tuple[str, str]] = set()
        """Node and input of each value that was looked at."""

    def _of(self, node: Node, name: str) -> object:
        """The value of an input; None where it has none of its own."""
        self.known.add((node.id, name))
        return node.values.get(name)

    def take_down(self) -> None:
        notes, guider = self.notes, self.graph.get(self.sampler.links.get("guider")) or self.sampler
        self._number("steps", "steps", "sigmas")
        self._number("cfg", "cfg", "guider")
        self._say("sampler_name", "sampler", notes.say_sampler)
        self._say("scheduler", "sigmas", notes.say_spacing)
        self._say_seed()
        positive = guider.links.get("positive") or guider.links.get("conditioning")
        self._say_text(positive, "prompt")
        self._say_text(guider.links.get("negative"), "negative_prompt")
        self._latent()
        self._model(guider)
        self._guidance(positive)

    def _value(self, name: str, via: str) -> object:
        """A value of the sampler: written into it, upstream of that input, or upstream of the input `via`."""
        if name in self.sampler.values:
            return self._of(self.sampler, name)
        start = self.graph.get(self.sampler.links.get(name))
        if start is not None:
            return next(self._literals(start), None)
        start = self.graph.get(self.sampler.links.get(via))
        found = self.graph.upstream(start) if start else iter(())
        for node in found:
            if name in node.values:
                return self._of(node, name)
            if name in node.links and (inner := self.graph.get(node.links[name])):
                return next(self._literals(inner), None)
        return None

    def _literals(self, start: Node) -> Iterator[object]:
        """Values of a node that only holds one: a primitive."""
        for node in self.graph.upstream(start):
            for name in ("value", "int", "float", "string", "text", "seed", "number"):
                if name in node.values:
                    yield self._of(node, name)

    def _number(self, key: str, name: str, via: str) -> None:
        if (value := self._value(name, via)) is not None:
            self.notes.say(key, value)

    def _say(self, name: str, via: str, say: object) -> None:
        if (value := self._value(name, via)) is not None and callable(say):
            say(value)

    def _say_seed(self) -> None:
        for name in ("seed", "noise_seed"):
            if (value := self._value(name, "noise")) is not None:
                self.notes.say_seed(value)
                return

    def _say_text(self, link: Link | None, key: str) -> None:
        if link is None:
            return
        found = islice((text for text in self._encoded(link) if text is not None), _MOST_TEXTS)
        texts = list(dict.fromkeys(found))
        if len(texts) == 1:
            (self.notes.say_prompt if key == "prompt" else self.notes.say_negative)(texts[0])
        elif texts:
            self.notes.unread(key, " | ".join(text[:80] for text in texts), SEVERAL_TEXTS)
        elif not self._zeroed(link):
            self.notes.unread(key, "", NO_TEXT)

    def _zeroed(self, link: Link) -> bool:
        node = self.graph.get(link)
        return node is not None and node.is_a("zeroout")

    def _encoded(self, link: Link) -> Iterator[str | None]:
        """The texts of all encoders that a conditioning comes from."""
        start = self.graph.get(link)
        if start is None or start.is_a("zeroout"):
            return
        slots = {start.id: link.slot}

        def conditionings(node: Node) -> Sequence[Link]:
            if node.is_a("zeroout") or self._is_encoder(node):
                return ()
            if {"positive", "negative"} <= node.links.keys():  # a ControlNet has both, and gives both
                chosen = [node.links["positive" if slots.get(node.id, 0) == 0 else "negative"]]
            else:
                chosen = [one for name, one in node.links.items() if "cond" in name.lower() or name == "positive"]
                chosen = chosen or [one for name, one in node.links.items() if name.lower() in _PASSES]
            slots.update({one.node: one.slot for one in chosen})
            return chosen

        for node in self.graph.upstream(start, conditionings):
            if self._is_encoder(node):
                yield from dict.fromkeys(
                    self._text(node, name, _DEEPEST) for name in _TEXTS if name in node.values or name in node.links
                )

    def _is_encoder(self, node: Node) -> bool:
        return node.is_a("encode", "prompt") and any(name in node.values or name in node.links for name in _TEXTS)

    def _text(self, node: Node, name: str, depth: int) -> str | None:
        """The text of an input, through primitives and nodes that put texts together."""
        if isinstance(text := self._of(node, name), str):
            return text
        source = self.graph.get(node.links.get(name))
        self.graph.steps += 1
        if source is None or depth <= 0 or self.graph.steps > 10_000:
            return None
        if source.is_a(*_JOINS):
            return self._joined(source, depth)
        names = [one for one in _TEXTS if one in source.values or one in source.links]
        return self._text(source, names[0], depth - 1) if names else None

    def _joined(self, node: Node, depth: int) -> str | None:
        delimiter = self._of(node, "delimiter" if "delimiter" in node.values else "separator")
        inputs = [name for name in sorted({*node.values, *node.links}) if name.lower().startswith(("text", "string"))]
        parts = [self._text(node, name, depth - 1) for name in inputs]
        if not parts or None in parts or sum(len(part or "") for part in parts) > _LONGEST:
            return None  # a text that nodes double again and again would fill the memory
        return (delimiter if isinstance(delimiter, str) else "").join(filter(None, parts))

    def _latent(self) -> None:
        """The size of an empty latent image, or that the picture was made from another one."""
        start = self.graph.get(self.sampler.links.get("latent_image") or self.sampler.links.get("latent"))
        for node in self.graph.upstream(start) if start else ():
            if node.is_a("loadimage", "vaeencode"):
                self.notes.remark(IMAGE_TO_IMAGE)
                self._denoise()
                return
            if node.is_a("empty", "latent") and {"width", "height"} <= {*node.values, *node.links}:
                for name in ("width", "height"):
                    inner = self.graph.get(node.links.get(name))
                    value = self._of(node, name) if inner is None else next(self._literals(inner), None)
                    if value is not None:
                        self.notes.say(name, value)
                batch = number(self._of(node, "batch_size"))
                if batch is not None and batch > 1:
                    self.notes.remark(BATCH)
                return
            if _is_sampler(node):
                self._denoise()

    def _denoise(self) -> None:
        value = number(self._value("denoise", "sigmas"))
        if value is not None and value < 1:
            self.notes.say_setting("denoise", "strength", value)

    def _model(self, guider: Node) -> None:
        """The model's file, the LoRAs on the way to it, and what changes its times."""
        start = self.graph.get(guider.links.get("model") or self.sampler.links.get("model"))
        loras: list[tuple[str, object]] = []
        for node in self.graph.upstream(start, _models) if start else ():
            for name in _MODELS:
                if isinstance(node.values.get(name), str):
                    self.notes.say_setting(name, "model", self._of(node, name))
                    break
            if isinstance(node.values.get("lora_name"), str):
                strength = self._of(node, "strength_model") if "strength_model" in node.values else 1
                loras.append((str(self._of(node, "lora_name")), strength))
            if "shift" in node.values:
                self.notes.say_own("shift", self._of(node, "shift"))
        if loras:
            self.notes.say_own("lora", " + ".join(name for name, _ in loras))
            scale = loras[0][1] if len(loras) == 1 else " + ".join(str(weight) for _, weight in loras)
            self.notes.say_own("lora_scale", scale)

    def _guidance(self, positive: Link | None) -> None:
        """The distilled guidance of Flux, which stands on the way to the text; ComfyUI's cfg is the other one then."""
        start = self.graph.get(positive)
        for node in self.graph.upstream(start) if start else ():
            if node.is_a("fluxguidance") and (value := number(self._of(node, "guidance"))) is not None:
                if "guidance_scale" in self.notes.settings:
                    self.notes.put("true_cfg_scale", self.notes.settings.pop("guidance_scale"))
                self.notes.put("guidance_scale", float(value))
                return


def _models(node: Node) -> Sequence[Link]:
    return [link for name, link in node.links.items() if "model" in name.lower() or name.lower() in _PASSES]
