"""The learning system's model sizes and training settings per profile."""

from __future__ import annotations

from dataclasses import dataclass

from trifuse.training.clips.recipe import ClipRecipe
from trifuse.training.clips.sizes import standard


@dataclass(frozen=True)
class LearningRecipe(ClipRecipe):
    """Everything that decides how the learning models of a profile come out.

    `affects` trains heads for boredom, confusion and frustration beside the others, for research on data
    that has such labels. Inferring emotions in education is prohibited in the European Union (Regulation
    2024/1689, Article 5(1)(f)): it is off, and what is exported and served never tells affects.
    """

    affects: bool = False


def recipe(profile: str) -> LearningRecipe:
    """Look up the recipe of a profile (`smoke`, `demo` or `full`)."""
    return LearningRecipe(**standard(profile))
