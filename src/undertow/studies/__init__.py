"""Studies: the pipeline as cached steps, the demo, the lab card, and workers."""

from undertow.studies.lab import Lab
from undertow.studies.recipe import Recipe, load_recipe, shipped_recipes

__all__ = ["Lab", "Recipe", "load_recipe", "shipped_recipes"]
