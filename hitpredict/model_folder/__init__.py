"""The folder that training writes and evaluation and export read."""
