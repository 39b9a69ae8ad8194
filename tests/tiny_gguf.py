"""GGUF files of tiny denoisers, written as people publish them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import gguf
import numpy as np
import torch

KINDS = gguf.GGMLQuantizationType


def write_gguf(file: Path, tensors: Mapping[str, torch.Tensor], kind: gguf.GGMLQuantizationType) -> Path:
    """Matrices in this kind, everything else in float32, as people publish transformers."""
    writer = gguf.GGUFWriter(str(file), "flux")
    for name, tensor in tensors.items():
        values = tensor.float().numpy()
        if values.ndim > 1 and kind == KINDS.F16:
            writer.add_tensor(name, values.astype(np.float16))
        elif values.ndim > 1 and values.shape[-1] % 32 == 0 and name.endswith("weight"):  # numbers in a block
            writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file
