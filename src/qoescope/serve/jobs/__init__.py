"""Jobs: run the console and the API, write digests, and make accounts."""
