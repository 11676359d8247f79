"""Published search methods and rivals: one strategy a file."""
