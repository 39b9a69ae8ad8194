"""Stage 1: compose the training pictures and the held-out compositions, train the tokenizer, encode the captions.

Writes pictures.npy [N, side, side, 3], tokens.npy [N, captions, length], counts.npy [N], and held_out_*.npy alike.
A chunk that is done is kept, so a killed run goes on where it was.
"""

import json
import multiprocessing
import random
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from training import held_out, sprites, tokenizer
from training.compose import Composer
from training.progress import Log
from training.settings import recipe, work
from training.variety import VARIETIES


@cache
def _composer(variety: str) -> Composer:
    return Composer(sprites.load(), held_out.load(), recipe("data").picture_pixels, VARIETIES[variety])


def compose_chunk(index: int) -> Path:
    """Chunk `index` of the training pictures; index -1 is the held-out compositions."""
    settings = recipe("data")
    out = work("chunks", f"{index}.npy")
    if out.exists():
        return out
    if index < 0:  # narrow in every training, so that figures can be compared
        r, draw = random.Random(settings.held_out_seed * 10_000 + index), _composer("narrow").held_out_composition
    else:
        r, draw = random.Random(settings.seed * 10_000 + index), _composer(settings.variety).training_picture
    count = settings.held_out_pictures if index < 0 else settings.chunk
    pictures, captions, layouts, seen = [], [], [], set()
    while len(pictures) < count:
        picture = draw(r)
        if index < 0:  # retrieval among them is fair only if no two have the same caption
            if picture.captions[0] in seen:
                continue
            seen.add(picture.captions[0])
        pictures.append(np.asarray(picture.image))
        captions.append(picture.captions[: settings.captions])
        layouts.append(picture.layout)
    told = {"captions": captions, "layouts": layouts}
    out.with_suffix(".json").write_text(json.dumps(told), encoding="utf-8")
    beside = out.with_suffix(".tmp.npy")
    np.save(beside, np.stack(pictures))
    beside.rename(out)
    return out


def _encode(captions: list[list[str]]) -> tuple[np.ndarray, np.ndarray]:
    settings = recipe("data")
    tokens = np.zeros((len(captions), settings.captions, settings.prompt_tokens), np.int16)
    ids = iter(tokenizer.encode(tokenizer.load(), [text for some in captions for text in some]))
    for row, some in enumerate(captions):
        for column in range(len(some)):
            tokens[row, column] = next(ids)
    return tokens, np.array([len(some) for some in captions])


def sheet(pictures: np.ndarray, path: Path, columns: int = 16) -> None:
    """The first pictures side by side, to look at."""
    side = pictures.shape[1]
    rows = len(pictures) // columns
    grid = pictures[: rows * columns].reshape(rows, columns, side, side, 3).swapaxes(1, 2)
    Image.fromarray(grid.reshape(rows * side, columns * side, 3)).save(path)


def main() -> None:
    """Run the stage."""
    settings, log = recipe("data"), Log("data")
    sprites.build()
    chunks = settings.pictures // settings.chunk
    with multiprocessing.Pool(settings.workers) as pool:
        for done, _ in enumerate(pool.imap(compose_chunk, range(-1, chunks))):
            log(f"chunk {done} of {chunks}")
    told = {i: json.loads(work("chunks", f"{i}.json").read_text(encoding="utf-8")) for i in range(-1, chunks)}
    training = [some for i in range(chunks) for some in told[i]["captions"]]
    np.save(
        work("composed.npy"), np.array([layout != "single" for i in range(chunks) for layout in told[i]["layouts"]])
    )
    if not tokenizer.exists():  # a further training keeps the first one's
        tokenizer.train(text for some in training for text in some)
    for name, texts in (("", training), ("held_out_", told[-1]["captions"])):
        tokens, counts = _encode(texts)
        np.save(work(f"{name}tokens.npy"), tokens)
        np.save(work(f"{name}counts.npy"), counts)
    side = settings.picture_pixels
    pictures = np.lib.format.open_memmap(work("pictures.npy"), "w+", np.uint8, (settings.pictures, side, side, 3))
    for i in range(chunks):
        pictures[i * settings.chunk : (i + 1) * settings.chunk] = np.load(work("chunks", f"{i}.npy"))
    work("chunks", "-1.npy").replace(work("held_out_pictures.npy"))
    sheet(pictures[:128], work("sheets", "pictures.png"))
    for i in range(chunks):
        work("chunks", f"{i}.npy").unlink()
    work("chunks", "-1.json").replace(work("held_out_captions.json"))
    log(f"{settings.pictures} pictures, {len(tokenizer.load())} tokens in the vocabulary")


if __name__ == "__main__":
    main()
