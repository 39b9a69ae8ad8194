"""Which setting to take, and what it costs."""
