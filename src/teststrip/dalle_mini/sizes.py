"""How large a model is, as its config.json says, and which tensors of which shapes follow from that. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Final

from teststrip.errors import EngineError, among

MODEL_TYPE: Final = "dalle-mini"
"""What `model_type` in config.json says."""

Shape = tuple[int, ...]
Tensors = Mapping[str, Shape]

MOST: Final = 2**20
"""Of any size: what a damaged file claims beyond it is no model that any machine holds."""
ATTENTION_KEYS: Final = ("k_proj", "v_proj", "q_proj", "out_proj")
BLOCKS: Final = 3
"""Residual blocks at each width of the detokenizer."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes of a model.

    Attributes:
        text_vocab: tokens of the text that the encoder knows.
        text_tokens: that the encoder reads, with the two that open and close a text.
        image_vocab: image tokens that the decoder was trained with, padding among them.
        start_token: stands before the first image token; one more than there are image tokens was trained.
        grid: image tokens on each side of a picture.
        layers: of the encoder, and of the decoder.
        heads: of each attention.
        width: of a token's state.
        glu: of the inside of a gated linear unit.
        codes: image tokens that the detokenizer knows; only these are drawn.
        code_width: of the vector that stands for an image token.
        detokenizer_widths: channels from the full size of the picture down to the grid, which has attention.
        groups: of the detokenizer's norms.
    """

    text_vocab: int
    text_tokens: int
    image_vocab: int
    start_token: int
    grid: int
    layers: int
    heads: int
    width: int
    glu: int
    codes: int
    code_width: int
    detokenizer_widths: tuple[int, ...]
    groups: int

    @property
    def image_tokens(self) -> int:
        """Image tokens of a picture."""
        return self.grid**2

    @property
    def side(self) -> int:
        """Pixels on each side of a picture: the grid, doubled between each two widths of the detokenizer."""
        return int(self.grid * 2 ** (len(self.detokenizer_widths) - 1))


def _published(text_vocab: int, image_vocab: int, layers: int, heads: int, width: int, glu: int) -> Sizes:
    return Sizes(
        text_vocab=text_vocab,
        text_tokens=64,
        image_vocab=image_vocab,
        start_token=image_vocab,
        grid=16,
        layers=layers,
        heads=heads,
        width=width,
        glu=glu,
        codes=2**14,
        code_width=256,
        detokenizer_widths=(128, 128, 256, 256, 512),
        groups=32,
    )


MINI: Final = _published(50264, 16384, layers=12, heads=16, width=1024, glu=2730)
MEGA: Final = _published(50272, 16415, layers=24, heads=32, width=2048, glu=4096)


def of(config: object) -> Sizes:
    """The sizes that a config.json holds.

    Raises:
        EngineError: it is of another kind of model, lacks a size, or has one that cannot be.
    """
    if not isinstance(config, dict) or config.get("model_type") != MODEL_TYPE:
        raise EngineError(f'its model_type is not "{MODEL_TYPE}". docs/craiyon.md shows the whole file')
    said = {name: value for name, value in config.items() if name != "model_type"}
    known = [field.name for field in fields(Sizes)]
    if unknown := sorted(said.keys() - set(known)):
        raise EngineError(f"unknown key {unknown[0]!r}{among(unknown[0], known, 'Known')}")
    if lacking := [name for name in known if name not in said]:
        raise EngineError(f"{lacking[0]} is missing. docs/craiyon.md shows the whole file")
    widths = said["detokenizer_widths"]
    numbers = {name: value for name, value in said.items() if name != "detokenizer_widths"}
    least = {"start_token": 0}
    for name, value in numbers.items():
        if not _is_size(value, least.get(name, 1)):
            raise EngineError(f"{name}: {value!r} is no whole number of {least.get(name, 1)} to {MOST:,}")
    if not isinstance(widths, list) or not 1 <= len(widths) <= 10 or not all(_is_size(width, 1) for width in widths):
        raise EngineError("detokenizer_widths: write a list of 1 to 10 whole numbers above 0")
    sizes = Sizes(**numbers, detokenizer_widths=tuple(widths))
    if why := _contradiction(sizes):
        raise EngineError(why)
    return sizes


def _is_size(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= MOST


def _contradiction(sizes: Sizes) -> str:
    """What cannot be together, in words; "" where all can."""
    if sizes.width % sizes.heads:
        return f"width: {sizes.width} cannot be divided by {sizes.heads} heads"
    if uneven := [width for width in sizes.detokenizer_widths if width % sizes.groups]:
        return f"detokenizer_widths: {uneven[0]} cannot be divided by {sizes.groups} groups"
    if sizes.start_token > sizes.image_vocab:
        return f"start_token: {sizes.start_token} is above image_vocab, {sizes.image_vocab}"
    if sizes.codes > sizes.image_vocab + 1:
        return f"codes: the decoder knows only {sizes.image_vocab + 1} of {sizes.codes} image tokens"
    if sizes.text_tokens < 2:
        return "text_tokens: two open and close a text, so write 2 or more"
    return ""


def tensors(sizes: Sizes) -> Mapping[str, Tensors]:
    """The shapes of all tensors by name, for each part: "encoder", "decoder" and "detokenizer"."""
    return {
        "encoder": dict(_encoder(sizes)),
        "decoder": dict(_decoder(sizes)),
        "detokenizer": dict(_detokenizer(sizes)),
    }


def _encoder(sizes: Sizes) -> Iterator[tuple[str, Shape]]:
    yield from _embedded(sizes, sizes.text_vocab, sizes.text_tokens)
    for layer in range(sizes.layers):
        yield from _attention(sizes, f"layers.{layer}.", "self_attn")
        yield from _glu(sizes, f"layers.{layer}.glu.")


def _decoder(sizes: Sizes) -> Iterator[tuple[str, Shape]]:
    yield from _embedded(sizes, sizes.image_vocab + 1, sizes.image_tokens)
    for layer in range(sizes.layers):
        yield from _attention(sizes, f"layers.{layer}.", "self_attn")
        yield from _attention(sizes, f"layers.{layer}.", "encoder_attn")
        yield from _glu(sizes, f"layers.{layer}.glu.")
    yield "lm_head.weight", (sizes.image_vocab + 1, sizes.width)


def _embedded(sizes: Sizes, vocab: int, places: int) -> Iterator[tuple[str, Shape]]:
    yield "embed_tokens.weight", (vocab, sizes.width)
    yield "embed_positions.weight", (places, sizes.width)
    yield from _scaled("layernorm_embedding", sizes.width)
    yield from _scaled("final_ln", sizes.width)


def _attention(sizes: Sizes, layer: str, name: str) -> Iterator[tuple[str, Shape]]:
    yield from _scaled(f"{layer}pre_{name}_layer_norm", sizes.width)
    yield from _scaled(f"{layer}{name}_layer_norm", sizes.width)
    for key in ATTENTION_KEYS:
        yield f"{layer}{name}.{key}.weight", (sizes.width, sizes.width)


def _glu(sizes: Sizes, glu: str) -> Iterator[tuple[str, Shape]]:
    yield from _scaled(f"{glu}ln0", sizes.width)
    yield from _scaled(f"{glu}ln1", sizes.glu)
    yield f"{glu}fc0.weight", (sizes.glu, sizes.width)
    yield f"{glu}fc1.weight", (sizes.glu, sizes.width)
    yield f"{glu}fc2.weight", (sizes.width, sizes.glu)


def _detokenizer(sizes: Sizes) -> Iterator[tuple[str, Shape]]:
    widths, last = sizes.detokenizer_widths, sizes.detokenizer_widths[-1]
    yield "embedding.weight", (sizes.codes, sizes.code_width)
    yield from _convolution("post_quant_conv", sizes.code_width, sizes.code_width, 1)
    yield from _convolution("decoder.conv_in", sizes.code_width, last, 3)
    yield from _block("decoder.mid.block_1", last, last)
    yield from _looking("decoder.mid.attn_1", last)
    yield from _block("decoder.mid.block_2", last, last)
    for level, width in enumerate(widths):
        before = widths[min(level + 1, len(widths) - 1)]
        for number in range(BLOCKS):
            yield from _block(f"decoder.up.{level}.block.{number}", width if number else before, width)
            if level == len(widths) - 1:
                yield from _looking(f"decoder.up.{level}.attn.{number}", width)
        if level:
            yield from _convolution(f"decoder.up.{level}.upsample.conv", width, width, 3)
    yield from _scaled("decoder.norm_out", widths[0])
    yield from _convolution("decoder.conv_out", widths[0], 3, 3)


def _block(name: str, before: int, after: int) -> Iterator[tuple[str, Shape]]:
    yield from _scaled(f"{name}.norm1", before)
    yield from _convolution(f"{name}.conv1", before, after, 3)
    yield from _scaled(f"{name}.norm2", after)
    yield from _convolution(f"{name}.conv2", after, after, 3)
    if before != after:
        yield from _convolution(f"{name}.nin_shortcut", before, after, 1)


def _looking(name: str, width: int) -> Iterator[tuple[str, Shape]]:
    yield from _scaled(f"{name}.norm", width)
    for key in ("q", "k", "v", "proj_out"):
        yield from _convolution(f"{name}.{key}", width, width, 1)


def _scaled(name: str, width: int) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.weight", (width,)
    yield f"{name}.bias", (width,)


def _convolution(name: str, before: int, after: int, side: int) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.weight", (after, before, side, side)
    yield f"{name}.bias", (after,)
