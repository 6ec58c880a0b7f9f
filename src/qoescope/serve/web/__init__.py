"""Web: the ASGI app, what every request passes on its way in, signing in and out, and static files."""
