"""What min-dalle makes of a model folder: the second source of the engine `craiyon`, run by hand.

Importing min-dalle changes torch for the whole process and its class asks the hub, so it is no dependency and runs in a
process of its own. `tests/engines/test_craiyon_source.py` holds the numbers that this printed with min-dalle 0.4.11:

    pip download --no-deps --no-binary :all: min-dalle && tar xzf min_dalle-0.4.11.tar.gz
    pip download --no-deps emoji && unzip emoji-*.whl -d min-dalle-0.4.11
    PYTHONPATH=min-dalle-0.4.11:. python -m tests.second_min_dalle FOLDER

A folder with `tests.tiny_dalle.PUBLISHED_SHAPE` is written first where there is none. min-dalle has fixed numbers of
image tokens (256 a picture, 16384 kinds, 16383 as the start) and one size of detokenizer. Only the likeliest tokens are
compared (top_k 1), because min-dalle draws with the noise of the process, and this engine with noise of its own.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from tests import tiny_dalle

PROMPT = "an owl, red and blue"


def source(folder: Path) -> Any:
    """min-dalle's own class around the weights of a folder, made without its constructor, which asks the hub."""
    from min_dalle import MinDalle
    from min_dalle.models import DalleBartDecoder, DalleBartEncoder, VQGanDetokenizer
    from min_dalle.text_tokenizer import TextTokenizer

    config = json.loads((folder / "config.json").read_text("utf-8"))
    sizes = {
        "embed_count": config["width"],
        "attention_head_count": config["heads"],
        "glu_embed_count": config["glu"],
        "layer_count": config["layers"],
        "device": "cpu",
    }
    made = MinDalle.__new__(MinDalle)
    made.device, made.dtype, made.is_reusable = "cpu", torch.float32, True
    made.layer_count, made.embed_count, made.text_token_count = config["layers"], config["width"], 64
    merges = (folder / "merges.txt").read_text("utf-8").split("\n")[1:-1]
    made.tokenizer = TextTokenizer(json.loads((folder / "vocab.json").read_text("utf-8")), merges)
    made.encoder = DalleBartEncoder(text_vocab_count=config["text_vocab"], text_token_count=64, **sizes)
    made.decoder = DalleBartDecoder(image_vocab_count=config["image_vocab"], **sizes)
    made.detokenizer = VQGanDetokenizer()
    for part in ("encoder", "decoder", "detokenizer"):
        getattr(made, part).eval().load_state_dict(load_file(folder / f"{part}.safetensors"), strict=True)
    return made


def main(folder: Path) -> None:
    if not folder.is_dir():
        tiny_dalle.save(folder, tiny_dalle.PUBLISHED_SHAPE)
    made = source(folder)
    decode, think = made.detokenizer.forward, made.decoder.forward
    for factor in (1, 4, 16):
        drawn: list[int] = []

        def noting(is_seamless: bool, tokens: torch.Tensor, drawn: list[int] = drawn) -> torch.Tensor:
            drawn += tokens[0].tolist()
            return decode(is_seamless, tokens)

        logits: list[list[list[float]]] = []

        def thinking(logits: list[list[list[float]]] = logits, **given: Any) -> Any:
            found = think(**given)
            logits.append(found[0][:, -1, :3].tolist())
            return found

        made.decoder.forward = thinking
        made.detokenizer.forward = noting  # min-dalle calls `forward` itself, so that hooks are not asked
        (picture,) = made.generate_raw_image_stream(PROMPT, 1, 1, top_k=1, supercondition_factor=factor)
        levels = picture.to(torch.uint8)
        print(json.dumps({"first logits": logits[0], "last logits": logits[-1]}))
        print(json.dumps({"factor": factor, "tokens": drawn, "pixels": levels[::85, ::85].tolist()}))
        torch.save({"tokens": drawn, "levels": levels, "raw": picture}, folder.with_name(f"{folder.name}-{factor}.pt"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
