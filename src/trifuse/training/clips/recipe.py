"""Model sizes and training settings of systems that look at windows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trifuse.compression.recipe import PruningRecipe, QuantizationRecipe
    from trifuse.training.recipe import BertRecipe, DistillationRecipe, TrainingRecipe


@dataclass(frozen=True)
class R3DRecipe:
    """Blocks per stage and the first stage's channels; `pretrained` is torchvision's model name."""

    depths: tuple[int, int, int, int]
    width: int
    pretrained: str | None = None


@dataclass(frozen=True)
class LstmRecipe:
    """Hidden units and layers of the LSTM over MFCC frames."""

    hidden: int
    layers: int = 2


@dataclass(frozen=True)
class FusionRecipe:
    """Width, heads, feed-forward width and layers of the Transformer encoder."""

    width: int
    heads: int
    feed_forward: int
    layers: int


@dataclass(frozen=True)
class ClipModelRecipe:
    """One model of the system, the teacher or the student, and how it is trained."""

    video: R3DRecipe
    audio: LstmRecipe
    text: BertRecipe
    fusion: FusionRecipe
    training: TrainingRecipe


@dataclass(frozen=True)
class ClipRecipe:
    """Everything that decides how the models of a profile come out.

    `modality_dropout` is the chance that a modality which is there is withheld in training; `dev_share` of
    the training sources chooses and calibrates; `parity_atol` bounds each part's difference between ONNX
    Runtime and torch.
    """

    teacher: ClipModelRecipe
    student: ClipModelRecipe
    distillation: DistillationRecipe
    pruning: PruningRecipe
    quantization: QuantizationRecipe
    modality_dropout: float = 0.3
    dev_share: float = 0.15
    parity_atol: dict[str, float] = field(
        default_factory=lambda: {
            "video_encoder": 5e-4,
            "audio_encoder": 2e-4,
            "text_encoder": 2e-4,
            "fusion": 1e-5,
        }
    )
