"""The commands of whoever runs a server: users, settings, the database, a demo."""
