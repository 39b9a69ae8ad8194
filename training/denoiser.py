"""Stage 5: the denoiser and its text encoder, trained together by a few single-thread processes that share gradients.

Two processes of one thread each learn a third faster than one of two threads. Each computes the gradient of its own
part of the batch; the mean of the parts, through shared memory, moves the same weights in each.
v-prediction with zero terminal SNR: at 6,000 samples .32 against .57 of epsilon-prediction (v-equivalent).
"""

import multiprocessing
import os
import sys
import time
from collections.abc import Iterable
from multiprocessing.synchronize import Barrier

import numpy as np
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPTextConfig, CLIPTextModel

from training import scorer, tokenizer
from training.precision import quick
from training.progress import Log, load_checkpoint, save_checkpoint
from training.schedule import cosine
from training.settings import recipe, work

CHECKPOINT = "denoiser.pt"


class Flat:
    """All weights of some modules as one vector, all their gradients as another: one exchange, one optimizer step."""

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        parameters = [p for module in modules for p in module.parameters()]
        self.weights = nn.Parameter(torch.cat([p.detach().flatten() for p in parameters]))
        self.weights.grad = torch.zeros_like(self.weights)
        start = 0
        for p in parameters:
            end = start + p.numel()
            p.data = self.weights.data[start:end].view(p.shape)
            p.grad = self.weights.grad[start:end].view(p.shape)
            start = end

    @property
    def gradient(self) -> Tensor:
        assert self.weights.grad is not None
        return self.weights.grad


def build_unet(latents: tuple[int, ...]) -> UNet2DConditionModel:
    """An untrained UNet for latents of shape (C, h, w)."""
    s = recipe("denoiser")
    unet = UNet2DConditionModel(
        sample_size=latents[1],
        in_channels=latents[0],
        out_channels=latents[0],
        block_out_channels=tuple(s.channels),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=recipe("scorer").text_width,
        attention_head_dim=4,  # the name misleads: this is the number of heads
        norm_num_groups=16,
    )
    unet.set_attn_processor(AttnProcessor())  # the fused attention's backward is slow on CPU; same maths
    return unet


def build_text_encoder() -> CLIPTextModel:
    """An untrained text encoder, of the shape of a scorer's text tower."""
    s = recipe("scorer")
    return CLIPTextModel(CLIPTextConfig(
        vocab_size=len(tokenizer.load()), hidden_size=s.text_width, intermediate_size=4 * s.text_width,
        num_hidden_layers=s.text_layers, num_attention_heads=4, projection_dim=s.projection,
        max_position_embeddings=recipe("data").prompt_tokens, **scorer.marks(),
    ))  # fmt: skip


def scheduler() -> DDIMScheduler:
    """The noise schedule the model is trained and shipped with."""
    return DDIMScheduler(
        num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
        prediction_type="v_prediction", rescale_betas_zero_snr=True, timestep_spacing="trailing",
        clip_sample=False, set_alpha_to_one=True, steps_offset=1,
    )  # fmt: skip


def latent_shape() -> tuple[int, ...]:
    return np.load(work("held_out_latents.npy"), mmap_mode="r").shape[1:]


def modules() -> tuple[UNet2DConditionModel, CLIPTextModel]:
    """Both modules as they start: seeded, the text encoder from the first scorer."""
    torch.manual_seed(recipe("denoiser").seed)
    unet, text = build_unet(latent_shape()), build_text_encoder()
    if work("checkpoints", CHECKPOINT).exists():  # no start needed, and a further training has no first scorer
        return unet, text
    tower = scorer.load("first").text_model.state_dict()
    own = text.state_dict()
    prefix = "text_model." if next(iter(own)).startswith("text_model.") else ""
    text.load_state_dict({prefix + name: value for name, value in tower.items() if prefix + name in own})
    return unet, text


def load() -> tuple[UNet2DConditionModel, CLIPTextModel, int]:
    """Both modules with their averaged weights, and how many samples they have seen."""
    state = load_checkpoint(work("checkpoints", CHECKPOINT))
    if state is None:
        raise SystemExit("There is no denoiser yet. Run: python -m training.denoiser")
    unet, text = modules()
    flat = Flat((unet, text))
    flat.weights.data.copy_(state["average"])
    return unet.eval(), text.eval(), state["seen"]


def velocity_loss(
    unet: nn.Module, text: nn.Module, alphas: Tensor, z: Tensor, noise: Tensor, t: Tensor, ids: Tensor
) -> Tensor:
    """Mean squared error of the predicted velocity at times `t [B]`."""
    a = alphas[t].view(-1, 1, 1, 1)
    with quick():
        words = text(input_ids=ids).last_hidden_state
        made = unet(a.sqrt() * z + (1 - a).sqrt() * noise, t, words).sample
    return functional.mse_loss(made.float(), a.sqrt() * noise - (1 - a).sqrt() * z)


def train(rank: int, shared: Tensor, meeting: Barrier) -> None:
    """One of the processes. Process 0 also measures, logs and saves."""
    s = recipe("denoiser")
    os.setsid()  # Linux shares a machine out by session: as two sessions they get a core each
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[rank % os.cpu_count()]})
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    parent = multiprocessing.parent_process()
    assert parent is not None
    log = Log("denoiser") if rank == 0 else (lambda text: None)
    latents = np.load(work("latents.npy"))
    tokens, counts = np.load(work("tokens.npy")), np.load(work("counts.npy"))
    composed = np.load(work("composed.npy"))
    alone, together = np.flatnonzero(~composed), np.flatnonzero(composed)
    alphas = scheduler().alphas_cumprod
    empty = torch.tensor(tokenizer.encode(tokenizer.load(), [""])[0])

    strange = tokenizer.strange(tokens)
    unet, text = modules()
    flat = Flat((unet, text))
    optimizer = torch.optim.AdamW([flat.weights], s.rate, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    average = flat.weights.detach().clone()
    seen = 0
    if state := load_checkpoint(work("checkpoints", CHECKPOINT)):
        flat.weights.data.copy_(state["weights"])
        if "optimizer" in state:  # not where it goes on from the shipped files
            optimizer.load_state_dict(state["optimizer"])
        average, seen = state["average"], state["seen"]
    log(f"{flat.weights.numel() / 1e6:.2f} M parameters, {len(latents)} latents, {seen} samples seen")

    test = torch.from_numpy(np.load(work("held_out_latents.npy"))[:256].astype(np.float32))
    test_ids = torch.from_numpy(np.load(work("held_out_tokens.npy"))[:256, 0].astype(np.int64))
    test_noise = torch.randn(test.shape, generator=torch.Generator().manual_seed(7))
    test_times = torch.linspace(20, 980, len(test)).long()

    @torch.no_grad()
    def measure() -> tuple[float, float]:
        current = flat.weights.detach().clone()
        flat.weights.data.copy_(average)
        losses = [
            np.mean([
                velocity_loss(unet, text, alphas, test[i::8], test_noise[i::8], test_times[i::8], ids[i::8]).item()
                for i in range(8)
            ])
            for ids in (test_ids, empty.expand_as(test_ids))
        ]  # fmt: skip
        flat.weights.data.copy_(current)
        return losses[0], losses[1]

    batch = s.batch * s.processes
    began, began_seen, recent = time.monotonic(), seen, []
    reported = saved = began
    while seen < s.samples:
        if not parent.is_alive():
            sys.exit(1)
        step = seen // batch
        torch.manual_seed(s.seed * 1_000_003 + step * s.processes + rank)
        rng = np.random.default_rng([s.seed, step, rank])
        single = rng.random(s.batch) < s.single_share
        rows = np.where(single, rng.choice(alone, s.batch), rng.choice(together, s.batch))
        z = torch.from_numpy(latents[rows].astype(np.float32))
        wrong = np.where(composed[rows], s.wrong_caption_share_composed, s.wrong_caption_share)
        told = np.where(rng.random(s.batch) < wrong, rng.permutation(rows), rows)
        ids = torch.from_numpy(tokens[told, rng.integers(0, counts[told])].astype(np.int64))
        tokenizer.add_strange_words(ids, strange, s.strange_share, rng)
        ids[torch.rand(s.batch) < s.caption_dropout] = empty
        # one time from each of B equal parts: less noise in the gradient than independent times
        t = ((torch.arange(s.batch) + torch.rand(s.batch)) / s.batch * 1000).long().clamp(max=999)
        flat.gradient.zero_()
        loss = velocity_loss(unet, text, alphas, z, torch.randn_like(z), t, ids)
        loss.backward()
        # two sets of buffers, taken in turn: a process may write the next while another still reads the last
        buffers = shared[step % 2]
        buffers[rank].copy_(flat.gradient)
        meeting.wait(timeout=300)
        torch.mean(buffers, 0, out=flat.gradient)
        nn.utils.clip_grad_norm_([flat.weights], 1.0)
        for group in optimizer.param_groups:
            group["lr"] = cosine(seen, s.samples, s.rate, warmup=s.warmup, least=0.01)
        optimizer.step()
        with torch.no_grad():
            average.lerp_(flat.weights.detach(), 1 - min(s.average, (1 + step) / (10 + step)))
        seen += batch
        recent.append(loss.item())
        now = time.monotonic()
        if rank == 0 and (now - reported > s.report_seconds or seen >= s.samples):
            conditional, unconditional = measure()
            log(f"{seen} samples, {(seen - began_seen) / (now - began):.1f} a second, loss {np.mean(recent):.4f}, "
                f"held out {conditional:.4f}, without caption {unconditional:.4f}")  # fmt: skip
            recent, reported = [], now
        if rank == 0 and (now - saved > s.save_seconds or seen >= s.samples):
            save_checkpoint({"weights": flat.weights.detach(), "average": average, "seen": seen,
                             "optimizer": optimizer.state_dict()}, work("checkpoints", CHECKPOINT))  # fmt: skip
            saved = now


def main() -> None:
    """Run the stage, or go on with it."""
    s = recipe("denoiser")
    unet, text = modules()
    size = sum(p.numel() for m in (unet, text) for p in m.parameters())
    context = multiprocessing.get_context("spawn")
    shared = torch.zeros(2, s.processes, size).share_memory_()
    meeting = context.Barrier(s.processes)
    running = [context.Process(target=train, args=(rank, shared, meeting)) for rank in range(s.processes)]
    for process in running:
        process.start()
    # a process that dies leaves the others waiting: end them all, the next run goes on from the checkpoint
    while all(process.exitcode is None for process in running):
        time.sleep(1)
    for process in running:
        process.join(timeout=60)
        if process.exitcode is None:
            process.terminate()
    sys.exit(max(abs(process.exitcode or 0) for process in running))


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
