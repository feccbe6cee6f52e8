"""The commands that call a server: once and done, or for as long as prices are watched."""
