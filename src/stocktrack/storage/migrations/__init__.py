"""How the tables of older databases become today's: alembic's folder, with one file a revision in `versions`."""
