"""API: placeholder until the routes are written."""

from fastapi import FastAPI


def api() -> FastAPI:
    """The API under /api/v1."""
    return FastAPI(title="qoescope")
