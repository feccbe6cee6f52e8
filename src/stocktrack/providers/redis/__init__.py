"""Redis as a source: prices that a feed of ours, or any program, publishes there."""
