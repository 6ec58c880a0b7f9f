"""qoescope: what viewers of a video streaming service live through, and what broke."""
