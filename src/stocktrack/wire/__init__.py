"""The protocol on its way between messages and bytes, and what a session needs of a connection."""
