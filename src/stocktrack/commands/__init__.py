"""The commands of a server's users: one answer each, or prices for as long as they are watched."""
