"""Console: the Dash app, the frame around its pages, and what pages are composed of."""
