"""Models on this disk: found, hashed once, loaded whole or not at all, asked for features."""
