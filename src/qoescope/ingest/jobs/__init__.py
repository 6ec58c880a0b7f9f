"""Jobs of the collector: run it, manage its write keys, replay dead letters."""
