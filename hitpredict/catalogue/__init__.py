"""Outputs that are kept up to date over years: which inputs they know, by which model, and from which bytes."""
