"""Textual inversions: new words of prompts, by vectors in a file. Asked for, checked by header, put on, taken off.

What is taken off leaves nothing: the embedding matrix and the tokenizers are those that the model came with, not copies
cut back to size. Knows files, and a loaded pipeline; nothing of shots. Imports torch and diffusers when called.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from teststrip.diffusion.failures import MOST, CannotAdapt
from teststrip.diffusion.heard import Ear
from teststrip.diffusion.loading import Loaded, as_transformers_has_them, listening
from teststrip.diffusion.models import Model
from teststrip.diffusion.pipelines import PipelineClass
from teststrip.diffusion.safety import read_header
from teststrip.diffusion.source import function
from teststrip.errors import StudyError, first_line
from teststrip.records import Value
from teststrip.stacks import INVERSION, read
from teststrip.weights.digests import Digests

LOADER: Final = "TextualInversionLoaderMixin"
"""The class of Diffusers that gives a pipeline its way to load them."""

ENCODERS: Final = {"clip_l": "text_encoder", "clip_g": "text_encoder_2"}
"""The text encoder that each tensor of a file for two encoders belongs to."""

NAMELESS: Final = frozenset({*ENCODERS, "emb_params", "*"})
"""Names of tensors that are no word of a prompt."""

ENDS: Final = frozenset({"__metadata__"})


@dataclass(frozen=True, slots=True)
class Inversion:
    """A textual inversion that settings ask for.

    Attributes:
        file: its path as the study wrote it.
        given: the word in prompts as the study wrote it; "" = the file says it.
    """

    file: str
    given: str = ""

    @property
    def place(self) -> Path:
        """The file on this disk."""
        return Path(self.file).expanduser()

    @property
    def shapes(self) -> dict[str, list[int]]:
        """The shape of each tensor of the file."""
        header = read_header(self.place)
        return {name: list(one["shape"]) for name, one in header.items() if name not in ENDS and isinstance(one, dict)}

    @property
    def token(self) -> str:
        """The word in prompts: as the study or the file says it, else the name of the file."""
        own = [name for name in self.shapes if name not in NAMELESS] if not self.given else []
        return self.given or (own[0] if own else self.place.stem)

    def encoders(self) -> dict[str, str]:
        """The tensor for each text encoder, by the component's name."""
        names = list(self.shapes)
        return {ENCODERS[name]: name for name in ENCODERS if name in names} or {"text_encoder": names[0]}


def asked(settings: Mapping[str, Value]) -> tuple[Inversion, ...]:
    """The textual inversions that settings ask for.

    >>> asked({"textual_inversion": "a.safetensors as <cat> + b.safetensors"})
    (Inversion(file='a.safetensors', given='<cat>'), Inversion(file='b.safetensors', given=''))
    """
    word = settings.get(INVERSION)
    return tuple(Inversion(part.file, part.token) for part in read(INVERSION, str(word))) if word else ()


def described(settings: Mapping[str, Value], digests: Digests) -> dict[str, object]:
    """What a fingerprint says of them: the digest of each and its word; nothing where there is none."""
    found = [{"file": digests.of(one.place), "token": one.token} for one in asked(settings)]
    return {"textual_inversions": found} if found else {}


def check(settings: Mapping[str, Value], model: Model, pipeline: PipelineClass, offload: str) -> None:
    """Raise StudyError for a textual inversion that the model does not take.

    Args:
        settings: of a shot.
        model: as found; what its configurations say of the encoders is compared.
        pipeline: as its source describes it.
        offload: the engine's option.

    Raises:
        EngineError: a file is damaged or could run code.
    """
    tokens: dict[str, str] = {}
    for one in asked(settings):
        if not any(getattr(base, "id", "") == LOADER for base in pipeline.tree.bases):
            raise StudyError(f"{INVERSION}: {pipeline.name} loads no textual inversions. Leave the setting out")
        if offload != "none":
            raise StudyError(f"{INVERSION}: not with offload = {offload!r}, which moves the encoders at each call")
        if one.place.suffix != ".safetensors" or not one.place.is_file():
            raise StudyError(f"{INVERSION}: {one.file!r} is no .safetensors file. Download it and give its path")
        if why := _misfit(one, model, pipeline):
            raise StudyError(f"{INVERSION}: {one.file!r} does not fit {model.name!r}: {why}")
        if len(one.token.split()) != 1:
            raise StudyError(f"{INVERSION}: {one.file!r} needs a word. Write [textual_inversions.NAME] token = ...")
        if one.token in tokens:
            raise StudyError(f"{INVERSION}: {one.file!r} and {tokens[one.token]!r} are both called {one.token!r}")
        tokens[one.token] = one.file


def _misfit(one: Inversion, model: Model, pipeline: PipelineClass) -> str:
    shapes = one.shapes
    single = len(shapes) == 1 and not shapes.keys() & ENCODERS.keys()
    if not single and (not shapes or not shapes.keys() <= ENCODERS.keys()):
        return f"it holds {len(shapes):,} tensors, and one was expected, or clip_l and clip_g"
    if any(len(shape) not in (1, 2) or 0 in shape for shape in shapes.values()):
        return "its vectors have no shape of vectors"
    here = list(_encoders(model, pipeline))
    there = one.encoders()
    if lacking := [part for part in there if part not in here]:
        return f"it has vectors for {lacking[0]}, which the model lacks"
    if lacking := [part for part in here if part not in there]:
        return f"it has no vectors for {lacking[0]}"
    for part, name in there.items():
        width = model.config(part, "hidden_size")
        if width is not None and width != shapes[name][-1]:
            return f"its vectors for {part} have {shapes[name][-1]:,} numbers, and the model's have {width:,}"
    return ""


def _encoders(model: Model, pipeline: PipelineClass) -> Iterator[str]:
    """The text encoders of a model that take new words: those of CLIP's kind."""
    made = function(pipeline.tree, "__init__")
    for argument in made.args.args if made else ():
        entry = (model.index or {}).get(argument.arg)
        kind = str(entry[1]) if isinstance(entry, list) and len(entry) == 2 else ""
        if argument.arg in ENCODERS.values() and (model.index is None or "CLIP" in kind):
            yield argument.arg


@dataclass(slots=True)
class Before:
    """A tokenizer and an embedding matrix as the model came with them.

    Attributes:
        tokenizer: the object itself.
        embedding: the module that holds the matrix.
        weight: the parameter of the module.
        data: its numbers.
        rows: of the matrix, as the module counts them.
        vocabulary: of the encoder, as its configuration counts it.
    """

    tokenizer: Any
    embedding: Any
    weight: Any
    data: Any
    rows: int
    vocabulary: int


def put_on(loaded: Loaded, wanted: Sequence[Inversion]) -> None:
    """Teach a pipeline the words of these inversions, and let it forget all others.

    Raises:
        CannotAdapt: one does not fit. The pipeline may hold a part of it then.
    """
    wanted = tuple(wanted)
    if loaded.inversions == wanted:
        return
    ear = Ear()
    with listening(ear), as_transformers_has_them(loaded.pipe):
        _take_off(loaded)
        for one in wanted:
            try:
                _load(loaded, one)
            except Exception as error:  # whatever a file of unknown origin brings about, there is one remedy
                why = first_line(error).rstrip(".")[:MOST]
                raise CannotAdapt(f"{INVERSION}: {one.file!r} does not fit {loaded.model.name!r} ({why})") from error
    loaded.inversions = wanted
    loaded.readings.clear()


def _load(loaded: Loaded, one: Inversion) -> None:
    from safetensors.torch import load_file

    pipe, tensors = loaded.pipe, load_file(one.place)
    for part, name in one.encoders().items():
        encoder, naming = getattr(pipe, part), part.replace("text_encoder", "tokenizer")
        if part not in loaded.before:
            embedding, tokenizer = encoder.get_input_embeddings(), getattr(pipe, naming)
            weight = embedding.weight
            loaded.before[part] = Before(
                tokenizer, embedding, weight, weight.data, embedding.num_embeddings, encoder.config.vocab_size
            )
            pipe.__dict__[naming] = copy.deepcopy(tokenizer)  # not setattr, which would rewrite the configuration
        pipe.load_textual_inversion(
            tensors[name], token=one.token, tokenizer=getattr(pipe, naming), text_encoder=encoder
        )


def _take_off(loaded: Loaded) -> None:
    for part, before in loaded.before.items():
        encoder = getattr(loaded.pipe, part)
        loaded.pipe.__dict__[part.replace("text_encoder", "tokenizer")] = before.tokenizer
        before.weight.data = before.data  # resizing puts other numbers into the same parameter
        before.embedding.weight = before.weight
        before.embedding.num_embeddings = before.rows
        encoder.set_input_embeddings(before.embedding)
        encoder.config.vocab_size = before.vocabulary
    loaded.before.clear()


def taught(tokenizers: Mapping[str, Any], wanted: Sequence[Inversion]) -> dict[str, Any]:
    """Copies of a model's tokenizers that know the words of these inversions."""
    found = {name: copy.deepcopy(part) for name, part in tokenizers.items()} if wanted else dict(tokenizers)
    for one in wanted:
        for part, name in one.encoders().items():
            shape = one.shapes[name]
            more = range(1, shape[0] if len(shape) > 1 else 1)
            if tokenizer := found.get(part.replace("text_encoder", "tokenizer")):
                tokenizer.add_tokens([one.token, *(f"{one.token}_{i}" for i in more)])
    return found
