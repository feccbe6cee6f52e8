"""Kafka as a source: a topic that somebody publishes quotes to, this server among them."""
