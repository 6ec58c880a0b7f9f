"""The data set's CSV: a row a session, with what its columns can tell."""
