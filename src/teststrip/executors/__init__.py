"""Where engines run: an executor opens them, asks them for shots, and closes them."""
