"""The market as this server knows it: the board of newest quotes, and the feed that asks the sources for them."""
