"""Tables of features and labels: read, write, join, split."""
