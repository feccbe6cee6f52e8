"""A client's session: its life, its answers, and all that are open."""
