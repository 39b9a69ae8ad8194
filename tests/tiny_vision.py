"""Vision models of the real classes, made tiny, with random weights, as folders that transformers opens.

Their numbers mean nothing; that they are computed, refused and told apart correctly is what the tests look at.
"""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split
from tokenizers.processors import TemplateProcessing
from transformers import (
    Blip2Config,
    Blip2ForConditionalGeneration,
    Blip2Processor,
    Blip2QFormerConfig,
    Blip2VisionConfig,
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPVisionConfig,
    Dinov2Config,
    Dinov2Model,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    T5Config,
)
from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

SIDE = 32
WIDTH = 32
CHAT = (
    "{% for message in messages %}USER: {% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% else %} {{ part['text'] }}{% endif %}{% endfor %}{% endfor %} ASSISTANT:"
)


def tokenizer(*special: str, length: int = 512) -> PreTrainedTokenizerFast:
    """Letters and a few words as tokens; `special` ones beside."""
    words = ["<pad>", "</s>", "<s>", "<unk>", *special, "yes", "Yes", "no", "No", *map(chr, range(32, 127))]
    model = Tokenizer(WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    model.pre_tokenizer = Split("", "isolated")
    made = PreTrainedTokenizerFast(
        tokenizer_object=model,
        pad_token="<pad>",
        eos_token="</s>",
        bos_token="<s>",
        unk_token="<unk>",
        model_max_length=length,
    )
    made.add_special_tokens({"additional_special_tokens": list(special)})
    made.add_tokens(["yes", "Yes", "no", "No"])
    return made


def clip(folder: Path, seed: int = 0) -> Path:
    """A CLIPModel with two towers of two layers."""
    words = tokenizer(length=77)
    # CLIP reads its answer off the last token, the end of the text.
    words.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", words.bos_token_id), ("</s>", words.eos_token_id)]
    )
    config = CLIPConfig(
        text_config={
            "vocab_size": len(words),
            "hidden_size": WIDTH,
            "intermediate_size": WIDTH,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "max_position_embeddings": 77,
            "pad_token_id": words.pad_token_id,
            "bos_token_id": words.bos_token_id,
            "eos_token_id": words.eos_token_id,
        },
        vision_config=_vision(),
        projection_dim=16,
    )
    return _saved(folder, seed, lambda: CLIPModel(config), words, _clip_processor())


def dinov2(folder: Path, seed: int = 0) -> Path:
    """A Dinov2Model: pictures only."""
    config = Dinov2Config(
        hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=4, mlp_ratio=2, image_size=28, patch_size=14
    )
    processor = BitImageProcessorPil(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28})
    return _saved(folder, seed, lambda: Dinov2Model(config), processor)


def llava(folder: Path, seed: int = 0, *, chat: bool = True) -> Path:
    """A decoder that sees: LlavaForConditionalGeneration on a tiny Llama."""
    words = tokenizer("<image>")
    image = words.convert_tokens_to_ids("<image>")
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**_vision()),
        text_config=LlamaConfig(
            vocab_size=len(words),
            hidden_size=WIDTH,
            intermediate_size=WIDTH,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            pad_token_id=words.pad_token_id,
            bos_token_id=words.bos_token_id,
            eos_token_id=words.eos_token_id,
        ),
        image_token_index=image,
        vision_feature_layer=-1,
    )
    processor = LlavaProcessor(
        image_processor=_clip_processor(),
        tokenizer=words,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        image_token="<image>",
        chat_template=CHAT if chat else None,
    )
    return _saved(folder, seed, lambda: LlavaForConditionalGeneration(config), processor)


def blip2(folder: Path, seed: int = 0) -> Path:
    """An encoder and a decoder that see: Blip2ForConditionalGeneration on a tiny T5, without a chat template."""
    words = tokenizer("<image>")
    text = T5Config(
        vocab_size=len(words),
        d_model=WIDTH,
        d_kv=8,
        d_ff=WIDTH,
        num_layers=2,
        num_heads=4,
        pad_token_id=words.pad_token_id,
        eos_token_id=words.eos_token_id,
        decoder_start_token_id=words.pad_token_id,
    )
    config = Blip2Config(
        vision_config=Blip2VisionConfig(
            hidden_size=WIDTH,
            intermediate_size=WIDTH,
            num_hidden_layers=2,
            num_attention_heads=4,
            image_size=SIDE,
            patch_size=8,
        ),
        qformer_config=Blip2QFormerConfig(
            vocab_size=len(words),
            hidden_size=WIDTH,
            intermediate_size=WIDTH,
            num_hidden_layers=2,
            num_attention_heads=4,
            encoder_hidden_size=WIDTH,
        ),
        text_config=text,
        num_query_tokens=4,
        image_token_index=words.convert_tokens_to_ids("<image>"),
    )
    processor = Blip2Processor(
        BlipImageProcessorPil(size={"height": SIDE, "width": SIDE}), tokenizer=words, num_query_tokens=4
    )
    return _saved(folder, seed, lambda: Blip2ForConditionalGeneration(config), processor)


def _vision() -> dict[str, int]:
    return {
        "hidden_size": WIDTH,
        "intermediate_size": WIDTH,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "image_size": SIDE,
        "patch_size": 8,
    }


def _clip_processor() -> CLIPImageProcessorPil:
    return CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})


def _saved(folder: Path, seed: int, model, *beside) -> Path:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = model()
        for parameter in made.parameters():  # initial values of 0.02 make all answers alike
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.3)
        made.save_pretrained(folder)
    for part in beside:
        part.save_pretrained(folder)
    return folder
