"""qoescope: what viewers of a video streaming service experience, and what broke."""
