"""What is kept in a database, SQLite or PostgreSQL: users and their watch lists."""
