"""LSTM over MFCC frames, summed up in a few tokens that keep the order of time."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class AudioLSTM(nn.Module):
    """Reads MFCC (batch, frames, coefficients) of given lengths into states (batch, tokens, hidden).

    Every token is the mean of the states in an equal part of the frames, 0 where the sound has ended. An LSTM
    in one direction needs no packed sequences: what comes after a sound's end cannot change its states.
    """

    def __init__(self, coefficients: int, hidden: int, layers: int, tokens: int) -> None:
        super().__init__()
        self.tokens = tokens
        # MFCCs differ in scale by two orders of magnitude.
        self.norm = nn.BatchNorm1d(coefficients)
        self.lstm = nn.LSTM(coefficients, hidden, layers, batch_first=True)

    def forward(self, mfcc: Tensor, lengths: Tensor) -> Tensor:
        """Compute the tokens; `lengths` (batch, 1) counts the frames that are sound."""
        frames = mfcc.shape[1]
        states, _ = self.lstm(self.norm(mfcc.transpose(1, 2)).transpose(1, 2))
        times = torch.arange(frames, device=mfcc.device)
        heard = (times < lengths).to(states.dtype)
        parts = torch.arange(self.tokens, device=mfcc.device)[:, None]
        member = (times * self.tokens // frames == parts).to(states.dtype)
        shares = member * heard[:, None, :]
        total = shares @ states
        means: Tensor = total / shares.sum(dim=2, keepdim=True).clamp(min=1)
        return means
