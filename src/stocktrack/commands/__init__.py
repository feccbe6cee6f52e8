"""The commands of whoever uses a server: once and done, or for as long as prices are watched."""
