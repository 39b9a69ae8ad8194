"""What a design can see, and what it would take to see more."""
