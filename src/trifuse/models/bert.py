"""BERT text encoder, built from sizes or loaded from a checkpoint in Hugging Face's format.

Importing transformers' BertModel takes many seconds, so it happens inside the functions.
Source: https://arxiv.org/abs/1810.04805.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from trifuse.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tokenizers import Tokenizer
    from torch import nn


@dataclass(frozen=True)
class BertSize:
    """Layers, width, heads, feed-forward width and vocabulary of a BERT (base: 12, 768, 12, 3072, 30522)."""

    layers: int
    hidden: int
    heads: int
    feed_forward: int
    vocab_size: int

    def config(self) -> dict[str, Any]:
        """Express the size as settings of transformers' BertConfig."""
        return {
            "vocab_size": self.vocab_size,
            "hidden_size": self.hidden,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "intermediate_size": self.feed_forward,
            "hidden_dropout_prob": 0.0,
            "attention_probs_dropout_prob": 0.0,
        }


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
