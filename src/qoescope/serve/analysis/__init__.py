"""Analysis: statistics that pages and the API show, and one session in detail; pure."""
