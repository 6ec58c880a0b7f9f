"""Jobs: all that reads and writes the lake, one job a module."""
