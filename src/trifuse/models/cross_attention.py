"""Cross-modal attention: image patches attend to text tokens."""

from __future__ import annotations

from torch import Tensor, nn


class CrossModalAttention(nn.Module):
    """Fuses image patches (batch, patches, dim) with text tokens (batch, tokens, dim) into (batch, dim).

    Many keys are what makes this attention: over a single text vector softmax is constant 1 and the
    output would not depend on the query. What no patch shows by itself, the whole image and the whole text
    tell by the product of their projections. `width` is that of the attention, which may be narrower than
    `dim`. Sources: ALBEF's multimodal encoder (https://arxiv.org/abs/2107.07651, section 3.1), low-rank
    bilinear pooling (https://arxiv.org/abs/1610.04325, section 3).
    """

    def __init__(self, dim: int, width: int, heads: int, feed_forward: int) -> None:
        super().__init__()
        narrow = width != dim
        self.query = nn.Linear(dim, width) if narrow else nn.Identity()
        self.attention = nn.MultiheadAttention(width, heads, kdim=dim, vdim=dim, batch_first=True)
        self.attention_norm = nn.LayerNorm(width)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, feed_forward), nn.GELU(), nn.Linear(feed_forward, width)
        )
        self.feed_forward_norm = nn.LayerNorm(width)
        self.whole_image = nn.Linear(dim, width)
        self.whole_text = nn.Linear(dim, width)
        self.output = nn.Linear(width, dim) if narrow else nn.Identity()

    def forward(self, image_tokens: Tensor, text_tokens: Tensor, attention_mask: Tensor) -> Tensor:
        """Fuse; `attention_mask` (batch, tokens) is 1 for words and 0 for padding."""
        queries = self.query(image_tokens)
        attended, _ = self.attention(
            queries, text_tokens, text_tokens, key_padding_mask=attention_mask == 0, need_weights=False
        )
        states = self.attention_norm(queries + attended)
        states = self.feed_forward_norm(states + self.feed_forward(states))
        whole = self.whole_image(image_tokens.mean(dim=1)) * self.whole_text(text_tokens[:, 0])
        fused: Tensor = self.output(states.mean(dim=1) + whole)
        return fused
