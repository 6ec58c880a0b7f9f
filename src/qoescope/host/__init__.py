"""Host: what every process does on the machine that it runs on: files, pauses between attempts, where it listens."""
