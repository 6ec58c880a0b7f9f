"""Jobs of emit: one a file, each named as `qoescope generate` names it."""
