"""API: routes under /api/v1, the shapes of their answers, exports as files, and the reference page made of them."""
