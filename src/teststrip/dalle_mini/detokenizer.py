"""The VQGAN's decoder: from image tokens to a picture. All widths are arguments; the published model has one size.

Pictures on their way are [B, C, H, W]: rows of a batch, channels, height, width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from teststrip.dalle_mini.sizes import BLOCKS, Sizes

# The epsilon of the norms is that of min-dalle, PyTorch's default of 1e-5.


class Block(nn.Module):
    """Two convolutions beside a way around them."""

    def __init__(self, before: int, after: int, groups: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, before)
        self.conv1 = nn.Conv2d(before, after, 3, padding=1)
        self.norm2 = nn.GroupNorm(groups, after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1)
        if before != after:
            self.nin_shortcut = nn.Conv2d(before, after, 1)

    def forward(self, picture: Tensor) -> Tensor:
        """A picture with `after` channels."""
        new = self.conv1(functional.silu(self.norm1(picture)))
        new = self.conv2(functional.silu(self.norm2(new)))
        summed: Tensor = new + (self.nin_shortcut(picture) if hasattr(self, "nin_shortcut") else picture)
        return summed


class Attention(nn.Module):
    """Every place looks at every other, with one head."""

    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups, width)
        self.q = nn.Conv2d(width, width, 1)
        self.k = nn.Conv2d(width, width, 1)
        self.v = nn.Conv2d(width, width, 1)
        self.proj_out = nn.Conv2d(width, width, 1)

    def forward(self, picture: Tensor) -> Tensor:
        """A picture of the same shape."""
        normed = self.norm(picture)
        q, k, v = (part(normed).flatten(2).transpose(1, 2) for part in (self.q, self.k, self.v))
        found = functional.scaled_dot_product_attention(q, k, v)
        new: Tensor = self.proj_out(found.transpose(1, 2).reshape(picture.shape))
        return picture + new


class Middle(nn.Module):
    """What stands before the levels."""

    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        self.block_1 = Block(width, width, groups)
        self.attn_1 = Attention(width, groups)
        self.block_2 = Block(width, width, groups)

    def forward(self, picture: Tensor) -> Tensor:
        """A picture of the same shape."""
        new: Tensor = self.block_2(self.attn_1(self.block_1(picture)))
        return new


class Upsample(nn.Module):
    """Doubles the sides of a picture."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, picture: Tensor) -> Tensor:
        """A picture with twice the height and width."""
        new: Tensor = self.conv(functional.interpolate(picture, scale_factor=2.0, mode="nearest"))
        return new


class Level(nn.Module):
    """The blocks of one size of the picture; the smallest has attention, all but the largest double the picture."""

    def __init__(self, before: int, after: int, groups: int, *, looks: bool, doubles: bool) -> None:
        super().__init__()
        self.block = nn.ModuleList(Block(after if number else before, after, groups) for number in range(BLOCKS))
        self.attn = nn.ModuleList(Attention(after, groups) for _ in range(BLOCKS if looks else 0))
        if doubles:
            self.upsample = Upsample(after)

    def forward(self, picture: Tensor) -> Tensor:
        """A picture with `after` channels."""
        for number, block in enumerate(self.block):
            picture = block(picture)
            if len(self.attn):
                picture = self.attn[number](picture)
        return self.upsample(picture) if hasattr(self, "upsample") else picture


class Decoder(nn.Module):
    """From vectors on a grid to colours."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        widths, groups = sizes.detokenizer_widths, sizes.groups
        last = len(widths) - 1
        self.conv_in = nn.Conv2d(sizes.code_width, widths[last], 3, padding=1)
        self.mid = Middle(widths[last], groups)
        self.up = nn.ModuleList(
            Level(widths[min(level + 1, last)], width, groups, looks=level == last, doubles=level > 0)
            for level, width in enumerate(widths)
        )
        self.norm_out = nn.GroupNorm(groups, widths[0])
        self.conv_out = nn.Conv2d(widths[0], 3, 3, padding=1)

    def forward(self, picture: Tensor) -> Tensor:
        """Colours [B, 3, H, W]; 0..1 is what a screen can show."""
        picture = self.mid(self.conv_in(picture))
        for level in reversed(self.up):
            picture = level(picture)
        colours: Tensor = self.conv_out(functional.silu(self.norm_out(picture)))
        return colours


class Detokenizer(nn.Module):
    """From image tokens to a picture."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self._grid = sizes.grid
        self.embedding = nn.Embedding(sizes.codes, sizes.code_width)
        self.post_quant_conv = nn.Conv2d(sizes.code_width, sizes.code_width, 1)
        self.decoder = Decoder(sizes)

    def forward(self, tokens: Tensor) -> Tensor:
        """Colours [H, W, 3] of the image tokens of one picture [grid × grid], row by row; not cut to 0..1."""
        grid = self.embedding(tokens).view(1, self._grid, self._grid, -1).permute(0, 3, 1, 2).contiguous()
        colours: Tensor = self.decoder(self.post_quant_conv(grid))[0].permute(1, 2, 0)
        return colours.to(torch.float32)
