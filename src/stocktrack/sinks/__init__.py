"""Ways out that are no clients: other programs get every change of the board, by Redis, Kafka or a file."""
