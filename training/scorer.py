"""Stage 3: a scorer, that is a small CLIPModel. `python -m training.scorer first` or `... second`.

The first only lends its text tower to the denoiser as a start. The second, with another seed, is the one that is
shipped and that evaluation uses: it shares nothing with the denoiser but the data.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from transformers import CLIPConfig, CLIPModel

from training import tokenizer
from training.precision import quick
from training.progress import Log, load_checkpoint, save_checkpoint
from training.schedule import average_into, cosine
from training.settings import recipe, work

# CLIP's own normalisation, so that CLIPImageProcessor's defaults are right
MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(1, 3, 1, 1)
DEVIATION = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(1, 3, 1, 1)


def marks() -> dict[str, int]:
    """The ids of the tokenizer's marks, by their names in CLIPTextConfig."""
    t = tokenizer.load()
    return {"bos_token_id": t.bos_token_id, "eos_token_id": t.eos_token_id, "pad_token_id": t.pad_token_id}


def build() -> CLIPModel:
    """An untrained scorer of the recipe's shape."""
    s = recipe("scorer")
    text = {
        "vocab_size": len(tokenizer.load()), "hidden_size": s.text_width, "intermediate_size": 4 * s.text_width,
        "num_hidden_layers": s.text_layers, "num_attention_heads": 4, "projection_dim": s.projection,
        "max_position_embeddings": recipe("data").prompt_tokens, **marks(),
    }  # fmt: skip
    vision = {
        "hidden_size": s.vision_width, "intermediate_size": 4 * s.vision_width, "num_hidden_layers": s.vision_layers,
        "num_attention_heads": 4, "image_size": s.pixels, "patch_size": s.patch, "projection_dim": s.projection,
    }  # fmt: skip
    return CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=s.projection))


def checkpoint_path(which: str) -> Path:
    return work("checkpoints", f"scorer-{which}.pt")


def load(which: str) -> CLIPModel:
    """The scorer as far as it is trained."""
    state = load_checkpoint(checkpoint_path(which))
    if state is None:
        raise SystemExit(f"There is no {which} scorer yet. Run: python -m training.scorer {which}")
    model = build()
    model.load_state_dict(state["average"])
    return model.eval()


def prepared(pictures: np.ndarray) -> Tensor:
    """Bytes [B, H, W, 3] to the scorer's input."""
    x = torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).float() / 255
    factor = x.shape[-1] // recipe("scorer").pixels
    return ((functional.avg_pool2d(x, factor) if factor > 1 else x) - MEAN) / DEVIATION


def small_pictures() -> np.ndarray:
    """The training pictures at the scorer's size, made once."""
    path = work("pictures_small.npy")
    if not path.exists():
        large = np.load(work("pictures.npy"), mmap_mode="r")
        side = recipe("scorer").pixels
        factor = large.shape[1] // side
        beside = path.with_suffix(".tmp.npy")
        small = np.lib.format.open_memmap(beside, "w+", np.uint8, (len(large), side, side, 3))
        for start in range(0, len(large), 1000):
            part = large[start : start + 1000].reshape(-1, side, factor, side, factor, 3)
            small[start : start + 1000] = part.mean((2, 4)).round().astype(np.uint8)
        small.flush()
        beside.rename(path)
    return np.load(path, mmap_mode="r")


@torch.no_grad()
def embed(model: CLIPModel, pictures: np.ndarray, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Unit embeddings of pictures and of token ids, row by row."""
    images, texts = [], []
    for start in range(0, len(pictures), 100):
        with quick():
            out = model(input_ids=tokens[start : start + 100], pixel_values=prepared(pictures[start : start + 100]))
        images.append(out.image_embeds.float())
        texts.append(out.text_embeds.float())
    return torch.cat(images), torch.cat(texts)


def recall_at_1(images: Tensor, texts: Tensor) -> tuple[float, float]:
    """Share of pictures whose own caption is the nearest, and of captions whose own picture is."""
    similarity = images @ texts.T
    own = torch.arange(len(similarity))
    return (similarity.argmax(1) == own).float().mean().item(), (similarity.argmax(0) == own).float().mean().item()


def held_out() -> tuple[np.ndarray, Tensor]:
    """The held-out compositions and the tokens of their first captions."""
    tokens = torch.from_numpy(np.load(work("held_out_tokens.npy"))[:, 0].astype(np.int64))
    return np.load(work("held_out_pictures.npy")), tokens


def main() -> None:
    """Run the stage, or go on with it."""
    which = sys.argv[1] if len(sys.argv) == 2 else ""
    s = recipe("scorer")
    if which not in s.seeds:
        raise SystemExit(f"Which scorer? Run: python -m training.scorer {' or '.join(s.seeds)}")
    torch.set_num_threads(1)
    torch.manual_seed(s.seeds[which])
    log = Log(f"scorer-{which}")
    pictures = small_pictures()
    tokens, counts = np.load(work("tokens.npy")), np.load(work("counts.npy"))
    test_pictures, test_tokens = held_out()
    strange = tokenizer.strange(tokens)
    model = build()
    optimizer = torch.optim.AdamW(model.parameters(), s.rate, betas=(0.9, 0.98), weight_decay=0.05, fused=True)
    average = {name: value.clone() for name, value in model.state_dict().items()}
    seen = 0
    if state := load_checkpoint(checkpoint_path(which)):
        model.load_state_dict(state["model"])
        if "optimizer" in state:  # not where it goes on from the shipped files
            optimizer.load_state_dict(state["optimizer"])
        average, seen = state["average"], state["seen"]
    log(f"{model.num_parameters() / 1e6:.2f} M parameters, {seen} pictures seen")
    own = torch.arange(s.batch)

    while seen < s.pictures:
        step = seen // s.batch
        rng = np.random.default_rng([s.seeds[which], step])
        rows = np.sort(rng.choice(len(pictures), s.batch, replace=False))
        chosen = rng.integers(0, counts[rows])
        ids = torch.from_numpy(tokens[rows, chosen].astype(np.int64))
        tokenizer.add_strange_words(ids, strange, s.strange_share, rng)
        for group in optimizer.param_groups:
            group["lr"] = cosine(seen, s.pictures, s.rate, warmup=100 * s.batch, least=0.02)
        with quick():
            out = model(input_ids=ids, pixel_values=prepared(pictures[rows]))
        similarity = model.logit_scale.exp().clamp(max=100) * out.image_embeds.float() @ out.text_embeds.float().T
        loss = (functional.cross_entropy(similarity, own) + functional.cross_entropy(similarity.T, own)) / 2
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        average_into(average, model.state_dict(), min(0.995, step / (step + 20)))
        seen += s.batch
        if (step + 1) % s.report_steps == 0 or seen >= s.pictures:
            current = {name: value.clone() for name, value in model.state_dict().items()}
            model.load_state_dict(average)
            by_picture, by_caption = recall_at_1(*embed(model, test_pictures, test_tokens))
            model.load_state_dict(current)
            log(f"{seen} pictures, loss {loss.item():.3f}, R@1 of 1,000: {by_picture:.1%} {by_caption:.1%}")
            save_checkpoint({"model": current, "average": average, "optimizer": optimizer.state_dict(), "seen": seen},
                            checkpoint_path(which))  # fmt: skip


if __name__ == "__main__":
    main()
