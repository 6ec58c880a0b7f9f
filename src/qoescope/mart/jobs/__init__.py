"""Jobs: all that reads and writes the marts, one job a module."""
