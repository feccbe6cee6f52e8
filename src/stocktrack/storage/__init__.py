"""What is kept in a database, SQLite or PostgreSQL: users, their watch lists, and the bars that the server saw."""
