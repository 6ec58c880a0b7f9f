"""Pages: one question a page."""
