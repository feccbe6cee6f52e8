"""The commands of a server's operator: serve, demo, users, settings, the database."""
