"""From a recipe and tables to a model folder."""
