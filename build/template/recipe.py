"""The template system's model sizes and training settings per profile."""

from __future__ import annotations

from trifuse.training.clips.recipe import ClipRecipe
from trifuse.training.clips.sizes import standard


def recipe(profile: str) -> ClipRecipe:
    """Look up the recipe of a profile (`smoke`, `demo` or `full`)."""
    return ClipRecipe(**standard(profile))
