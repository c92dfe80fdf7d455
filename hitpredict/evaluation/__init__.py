"""What a model is worth, measured on songs it never saw."""
