"""Cross-modal attention: image patches attend to text tokens."""

from __future__ import annotations

from torch import Tensor, nn


class CrossModalAttention(nn.Module):
    """Fuses image patches (batch, patches, dim) with text tokens (batch, tokens, dim) into (batch, dim).

    Many keys are what makes this attention: over a single text vector softmax is constant 1 and the
    output would not depend on the query. Source: ALBEF's multimodal encoder
    (https://arxiv.org/abs/2107.07651, section 3.1).
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.attention_norm = nn.LayerNorm(dim)
        self.feed_forward = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))
        self.feed_forward_norm = nn.LayerNorm(dim)

    def forward(self, image_tokens: Tensor, text_tokens: Tensor, attention_mask: Tensor) -> Tensor:
        """Fuse; `attention_mask` (batch, tokens) is 1 for words and 0 for padding."""
        attended, _ = self.attention(
            image_tokens, text_tokens, text_tokens, key_padding_mask=attention_mask == 0, need_weights=False
        )
        states = self.attention_norm(image_tokens + attended)
        states = self.feed_forward_norm(states + self.feed_forward(states))
        pooled: Tensor = states.mean(dim=1)
        return pooled
