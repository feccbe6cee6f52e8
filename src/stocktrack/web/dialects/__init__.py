"""Protocols of others, spoken on the same sessions as our own."""
