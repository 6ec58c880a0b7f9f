"""Jobs of the monitor: all that reads and writes, one job a module."""
