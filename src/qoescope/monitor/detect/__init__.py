"""Detection: windows held against their baseline, metric by metric, become findings of one cause each."""
