"""Recorded prices: what a row is, the files that hold rows, and who writes and reads them."""
