"""A network with all that is needed to sample it, as a value and as a folder."""
