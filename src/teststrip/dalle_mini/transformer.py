"""The BART of DALL·E mini: an encoder that reads a text, a decoder that is asked for one image token after another.

Each attention and each gated linear unit has a norm before and inside or behind it ("NormFormer"); no linear layer has
a bias. States are [B, T, W]: rows of a batch, tokens, width. Inside an attention they are [B, H, T, W / H].
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from teststrip.dalle_mini.sizes import Sizes


class GatedLinearUnit(nn.Module):
    """The feed-forward part of a layer."""

    def __init__(self, width: int, inside: int) -> None:
        super().__init__()
        self.ln0 = nn.LayerNorm(width)
        self.ln1 = nn.LayerNorm(inside)
        self.fc0 = nn.Linear(width, inside, bias=False)
        self.fc1 = nn.Linear(width, inside, bias=False)
        self.fc2 = nn.Linear(inside, width, bias=False)

    def forward(self, states: Tensor) -> Tensor:
        """New states [B, T, W]."""
        states = self.ln0(states)
        inside: Tensor = functional.gelu(self.fc0(states)) * self.fc1(states)
        new: Tensor = self.fc2(self.ln1(inside))
        return new


class Attention(nn.Module):
    """Looks from states at keys and values, which may be of other states."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self._heads = heads
        self.k_proj = nn.Linear(width, width, bias=False)
        self.v_proj = nn.Linear(width, width, bias=False)
        self.q_proj = nn.Linear(width, width, bias=False)
        self.out_proj = nn.Linear(width, width, bias=False)

    def seen(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of states, [B, H, T, W / H] each."""
        return self._split(self.k_proj(states)), self._split(self.v_proj(states))

    def forward(self, states: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None) -> Tensor:
        """New states [B, T, W]; mask [B, 1, 1, T of the keys] is true where there is something to see."""
        found = functional.scaled_dot_product_attention(self._split(self.q_proj(states)), keys, values, attn_mask=mask)
        new: Tensor = self.out_proj(found.transpose(1, 2).flatten(2))
        return new

    def _split(self, states: Tensor) -> Tensor:
        return states.view(*states.shape[:2], self._heads, -1).transpose(1, 2)


class EncoderLayer(nn.Module):
    """A layer of the encoder."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.pre_self_attn_layer_norm = nn.LayerNorm(sizes.width)
        self.self_attn = Attention(sizes.width, sizes.heads)
        self.self_attn_layer_norm = nn.LayerNorm(sizes.width)
        self.glu = GatedLinearUnit(sizes.width, sizes.glu)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """New states [B, T, W]."""
        normed = self.pre_self_attn_layer_norm(states)
        states = states + self.self_attn_layer_norm(self.self_attn(normed, *self.self_attn.seen(normed), mask))
        new: Tensor = states + self.glu(states)
        return new


class Encoder(nn.Module):
    """Reads texts."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(sizes.text_vocab, sizes.width)
        self.embed_positions = nn.Embedding(sizes.text_tokens, sizes.width)
        self.layers = nn.ModuleList(EncoderLayer(sizes) for _ in range(sizes.layers))
        self.layernorm_embedding = nn.LayerNorm(sizes.width)
        self.final_ln = nn.LayerNorm(sizes.width)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """The states [B, T, W] of tokens [B, T]; mask [B, 1, 1, T] is false at padding."""
        places = torch.arange(tokens.shape[1], device=tokens.device)
        states = self.layernorm_embedding(self.embed_tokens(tokens) + self.embed_positions(places))
        for layer in self.layers:
            states = layer(states, mask)
        read: Tensor = self.final_ln(states)
        return read


@dataclass(frozen=True)
class Seen:
    """What one decoder layer looks at while a picture is made.

    Attributes:
        keys, values: of the image tokens [B, H, tokens of a picture, W / H], filled one place after another.
        text: keys and values of the text.
    """

    keys: Tensor
    values: Tensor
    text: tuple[Tensor, Tensor]


class DecoderLayer(nn.Module):
    """A layer of the decoder."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.pre_self_attn_layer_norm = nn.LayerNorm(sizes.width)
        self.self_attn = Attention(sizes.width, sizes.heads)
        self.self_attn_layer_norm = nn.LayerNorm(sizes.width)
        self.pre_encoder_attn_layer_norm = nn.LayerNorm(sizes.width)
        self.encoder_attn = Attention(sizes.width, sizes.heads)
        self.encoder_attn_layer_norm = nn.LayerNorm(sizes.width)
        self.glu = GatedLinearUnit(sizes.width, sizes.glu)

    def begin(self, text: Tensor, tokens: int) -> Seen:
        """What this layer sees before the first image token."""
        keys, values = self.encoder_attn.seen(text)
        room = (*keys.shape[:2], tokens, keys.shape[3])
        return Seen(keys.new_empty(room), keys.new_empty(room), (keys, values))

    def forward(self, states: Tensor, place: int, seen: Seen, mask: Tensor) -> Tensor:
        """New states [B, 1, W] of the image token at a place; the mask is that of the text."""
        normed = self.pre_self_attn_layer_norm(states)
        seen.keys[:, :, place : place + 1], seen.values[:, :, place : place + 1] = self.self_attn.seen(normed)
        found = self.self_attn(normed, seen.keys[:, :, : place + 1], seen.values[:, :, : place + 1])
        states = states + self.self_attn_layer_norm(found)
        normed = self.pre_encoder_attn_layer_norm(states)
        states = states + self.encoder_attn_layer_norm(self.encoder_attn(normed, *seen.text, mask))
        new: Tensor = states + self.glu(states)
        return new


class Decoder(nn.Module):
    """Says which image token comes next."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self._tokens = sizes.image_tokens
        self.embed_tokens = nn.Embedding(sizes.image_vocab + 1, sizes.width)
        self.embed_positions = nn.Embedding(sizes.image_tokens, sizes.width)
        self.layers = nn.ModuleList(DecoderLayer(sizes) for _ in range(sizes.layers))
        self.layernorm_embedding = nn.LayerNorm(sizes.width)
        self.final_ln = nn.LayerNorm(sizes.width)
        self.lm_head = nn.Linear(sizes.width, sizes.image_vocab + 1, bias=False)

    def begin(self, text: Tensor) -> list[Seen]:
        """What each layer sees before the first image token; text [B, T, W] is what the encoder read."""
        return [layer.begin(text, self._tokens) for layer in self.layers if isinstance(layer, DecoderLayer)]

    def forward(self, before: Tensor, place: int, seen: list[Seen], mask: Tensor) -> Tensor:
        """Logits [B, image vocabulary + 1] of the image token at a place.

        Args:
            before: the image token before that place [B].
            place: of the image token, from 0; each place is asked for once, in order.
            seen: from `begin`; the keys and values of this place are written into it.
            mask: of the text, [B, 1, 1, T].
        """
        states = self.embed_tokens(before)[:, None] + self.embed_positions.weight[place]
        states = self.layernorm_embedding(states)
        for layer, looked_at in zip(self.layers, seen, strict=True):
            states = layer(states, place, looked_at, mask)
        logits: Tensor = self.lm_head(self.final_ln(states[:, 0]))
        return logits
