"""The neural networks of the published systems, in torch: one file per system."""
