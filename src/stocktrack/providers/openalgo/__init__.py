"""OpenAlgo as a source: the Indian market through the operator's own broker."""
