"""Makes a picture: one image token after another is drawn, then all are turned into colours.

The noise of a picture comes from one generator of its own on the CPU, and each token is drawn there in 64 bits. So a
seed gives the same noise on every device and processor, and pictures of one seed share their noise across temperatures,
numbers of tokens and factors: a token changes only where the setting makes another one better with the same noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from teststrip.dalle_mini.detokenizer import Detokenizer
from teststrip.dalle_mini.folder import Folder
from teststrip.dalle_mini.transformer import Decoder, Encoder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class NotFinite(ArithmeticError):
    """The model gave numbers that are NaN or infinite."""


@dataclass(frozen=True, slots=True)
class Draw:
    """How a picture's tokens are drawn.

    Attributes:
        seed: of the noise.
        temperature: what logits are divided by.
        top_k: so many of the likeliest tokens are drawn from, and those that are as likely as the last of them.
        factor: of superconditioning: how far to go from the logits of the empty text, 0, to those of the prompt, 1,
            and beyond.
    """

    seed: int
    temperature: float
    top_k: int
    factor: float

    @property
    def texts(self) -> slice:
        """Which of the two texts, the empty one and the prompt, the decoder is asked about."""
        return slice(0, 1) if self.factor == 0 else slice(1, 2) if self.factor == 1 else slice(0, 2)


@dataclass(frozen=True)
class Model:
    """A model in memory.

    Attributes:
        folder: where it came from.
        encoder, decoder: in the number format asked for.
        detokenizer: in 32 bits, because it is small and its values overflow in 16.
        device: that all are on.
    """

    folder: Folder
    encoder: Encoder
    decoder: Decoder
    detokenizer: Detokenizer
    device: str

    def tokens(self, text: tuple[int, ...], draw: Draw) -> Tensor:
        """The image tokens [grid × grid] of a picture, on the CPU.

        Args:
            text: tokens of the prompt.
            draw: how image tokens are drawn.

        Raises:
            NotFinite: the decoder gave no numbers.
        """
        sizes, tokenizer = self.folder.sizes, self.folder.tokenizer
        generator = torch.Generator("cpu").manual_seed(draw.seed)
        with torch.inference_mode():
            read = torch.tensor([tokenizer.nothing, text][draw.texts], device=self.device)
            mask = (read != tokenizer.padding)[:, None, None]
            seen = self.decoder.begin(self.encoder(read, mask))
            drawn = [sizes.start_token]
            for place in range(sizes.image_tokens):
                before = torch.full((len(read),), drawn[-1], device=self.device)
                logits = self.decoder(before, place, seen, mask)[:, : sizes.codes]
                drawn.append(chosen(_superconditioned(logits.cpu().double(), draw.factor), draw, generator))
        return torch.tensor(drawn[1:])

    def colours(self, tokens: Tensor) -> NDArray[np.float32]:
        """The picture [H, W, 3] of image tokens: 0..1, in 255 levels.

        Raises:
            NotFinite: the detokenizer gave no numbers.
        """
        with torch.inference_mode():
            colours = self.detokenizer(tokens.to(self.device)).cpu()
        if not colours.isfinite().all():
            raise NotFinite("the picture holds values that are not finite")
        # Both sources cut a colour down to a whole level, where other engines round.
        found: NDArray[np.float32] = ((colours.clip(0, 1) * 255).floor() / 255).numpy()
        return found


def _superconditioned(logits: Tensor, factor: float) -> Tensor:
    """One row of logits [V] of those of the empty text and of the prompt, or of the one that was asked about."""
    return logits[0] if len(logits) == 1 else logits[0] * (1 - factor) + logits[1] * factor


def chosen(logits: Tensor, draw: Draw, generator: torch.Generator) -> int:
    """A token drawn by its probability.

    The largest of weight / exponential noise is drawn with the probability that weights say (the "Gumbel-max trick").

    Args:
        logits: [V], 64 bits, on the CPU.
        draw: temperature and top_k are used.
        generator: gives V numbers.

    Raises:
        NotFinite: a logit is NaN or infinite.
    """
    if not logits.isfinite().all():
        raise NotFinite("the logits of an image token are not finite")
    likeliest = logits.topk(min(draw.top_k, len(logits))).values
    weights = ((logits - likeliest[0]) / draw.temperature).exp() * (logits >= likeliest[-1])
    noise = -torch.rand(len(logits), generator=generator, dtype=torch.float64).log()
    return int((weights / noise).argmax())


def load(folder: Folder, *, device: str, dtype: str) -> Model:
    """The model of a folder that was checked.

    Raises:
        RuntimeError: a file has changed since: a tensor is missing, unknown or of another shape; or memory ran out.
    """
    with torch.device("meta"):  # no memory, and no random numbers for weights that are replaced
        parts: dict[str, nn.Module] = {
            "encoder": Encoder(folder.sizes),
            "decoder": Decoder(folder.sizes),
            "detokenizer": Detokenizer(folder.sizes),
        }
    for name, part in parts.items():
        kind = torch.float32 if name == "detokenizer" else getattr(torch, dtype)
        tensors = {key: tensor.to(device, kind) for key, tensor in load_file(folder.weights(name)).items()}
        part.load_state_dict(tensors, strict=True, assign=True)
        part.requires_grad_(requires_grad=False).eval()
    encoder, decoder, detokenizer = parts.values()
    assert isinstance(encoder, Encoder)
    assert isinstance(decoder, Decoder)
    assert isinstance(detokenizer, Detokenizer)
    return Model(folder, encoder, decoder, detokenizer, device)
