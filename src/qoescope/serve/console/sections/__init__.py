"""Sections: cards and fragments that a page is composed of, one subject a module."""
