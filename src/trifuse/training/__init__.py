"""Training: recipes, the loop, losses and metrics."""
