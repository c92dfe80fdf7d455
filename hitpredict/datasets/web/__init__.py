"""Downloads: limits, caches, archives, hashes."""
