"""Sources: what others say, as our events; a folder a source, pure, behind one registry."""
