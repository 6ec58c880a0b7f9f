"""Emit: viewers press play. The simulator, its injected faults and its answer key."""
