"""Marts to people: the API, the console, and who may see what.

Rooms, the highest first: `jobs` starts processes; `web` is what every HTTP request passes; `api`, `console` and
`digest` are what programs and people read; `request` is who asks, and about what; `auth` checks who they are; `store`
reads and writes Postgres and the lake; `display` draws; `analysis` computes. The folder `assets` holds what browsers
load, `templates` the HTML that is not made by Dash.
"""
