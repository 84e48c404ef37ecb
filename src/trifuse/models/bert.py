"""BERT text encoder, built from sizes or loaded from a checkpoint in Hugging Face's format.

Importing transformers' BertModel takes many seconds, so it happens inside the functions.
Source: https://arxiv.org/abs/1810.04805.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from trifuse.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tokenizers import Tokenizer
    from torch import nn

    from trifuse.training.recipe import BertRecipe


def build_bert(config: Mapping[str, Any]) -> nn.Module:
    """Build a BERT with random weights from settings of transformers' BertConfig."""
    from transformers import BertConfig, BertModel

    return cast("nn.Module", BertModel(BertConfig(**config), add_pooling_layer=False))


def load_bert(source: str) -> tuple[nn.Module, dict[str, Any], Tokenizer]:
    """Load a BERT, its settings and its tokenizer from a hub name or a folder in the hub's format.

    Raises ArtifactError when it is neither on this machine nor downloadable, or is incomplete.
    """
    from safetensors import SafetensorError
    from transformers import BertModel, BertTokenizerFast

    try:
        model, report = BertModel.from_pretrained(source, add_pooling_layer=False, output_loading_info=True)
        tokenizer = BertTokenizerFast.from_pretrained(source)
    except (OSError, ValueError, ImportError, RuntimeError, SafetensorError) as error:
        raise ArtifactError(
            f"the BERT checkpoint {source!r} cannot be loaded",
            got=str(error).strip().splitlines()[0],
            expected="a hub name that can be downloaded, or a folder with config.json, model.safetensors and "
            "tokenizer.json or vocab.txt",
            hint="Without network, copy the folder here and pass --checkpoint text_encoder=FOLDER",
        ) from error
    if report["missing_keys"]:
        raise ArtifactError(
            f"the BERT checkpoint {source!r} is incomplete",
            got=f"no {', '.join(sorted(report['missing_keys'])[:3])}, …",
        )
    # Without vocabulary files transformers makes up a tokenizer that knows the special tokens only.
    if len(tokenizer) <= len(tokenizer.all_special_tokens):
        raise ArtifactError(
            f"the BERT checkpoint {source!r} has no vocabulary", expected="tokenizer.json or vocab.txt"
        )
    config = model.config
    sizes = {"vocab_size": config.vocab_size, "hidden_size": config.hidden_size}
    return cast("nn.Module", model), config.to_diff_dict() | sizes, tokenizer.backend_tokenizer


@dataclass(frozen=True)
class StartingBert:
    """A BERT before training: its settings and its tokenizer, and its weights if it is pretrained."""

    config: dict[str, Any]
    tokenizer: Tokenizer
    model: nn.Module | None = None


def start_bert(
    recipe: BertRecipe, checkpoint: str | None, vocabulary: Callable[[], Tokenizer]
) -> StartingBert:
    """Start from a checkpoint, from what the recipe names, or from nothing with the vocabulary made for it.

    Raises ArtifactError.
    """
    source = checkpoint or recipe.pretrained
    if source:
        model, config, tokenizer = load_bert(source)
        return StartingBert(config, tokenizer, model)
    tokenizer = vocabulary()
    return StartingBert(recipe.config(tokenizer.get_vocab_size()), tokenizer)


def attention_heads(bert: nn.Module) -> dict[nn.Module, int]:
    """Map each query, key and value projection to its number of heads."""
    return {
        projection: attention.num_attention_heads
        for attention in _self_attentions(bert)
        for projection in (attention.query, attention.key, attention.value)
    }


def residual_writers(bert: Any) -> list[nn.Module]:
    """List the layers that write into the residual stream, whose width pruning must not change."""
    layers = [(layer.attention.output.dense, layer.output.dense) for layer in bert.encoder.layer]
    return [bert.embeddings, *(layer for pair in layers for layer in pair)]


def update_heads(module: nn.Module) -> None:
    """Set the numbers of heads of every BERT attention inside a module to what its pruned weights have."""
    for attention in _self_attentions(module):
        attention.all_head_size = attention.query.out_features
        attention.num_attention_heads = attention.all_head_size // attention.attention_head_size


def _self_attentions(module: nn.Module) -> list[Any]:
    # Told by its attributes: importing transformers' classes takes many seconds.
    return [part for part in module.modules() if hasattr(part, "attention_head_size")]
