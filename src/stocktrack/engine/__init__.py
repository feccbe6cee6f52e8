"""Redis as what several processes share: prices, who is wanted, who leads, and words to each other."""
