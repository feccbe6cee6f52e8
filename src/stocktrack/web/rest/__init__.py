"""REST: requests that are commands of the protocol."""
