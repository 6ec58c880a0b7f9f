"""Root-cause search: counts by leaf in, the slices that got worse out."""
