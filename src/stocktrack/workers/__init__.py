"""Several processes that serve as one: a parent that looks after them, and what each of them does."""
