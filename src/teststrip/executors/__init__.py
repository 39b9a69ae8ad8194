"""Where engines run: opened, asked for shots, closed."""
