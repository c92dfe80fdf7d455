"""What is there on this machine, what is missing, and what mends it."""
