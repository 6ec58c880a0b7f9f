"""Sparks: tiny line charts as images that take their colour from the page."""

from collections.abc import Sequence
from urllib.parse import quote

WIDTH, HEIGHT, PAD = 120.0, 32.0, 3.0


def line(values: Sequence[float | int | None]) -> str:
    """The values as the path of a line; gaps stay gaps, one value is a dot."""
    known = [v for v in values if v is not None]
    if not known:
        return ""
    low, high = min(known), max(known)
    span = float(high - low) or 1.0
    step = WIDTH / max(len(values) - 1, 1)
    path, drawing = [], False
    for i, value in enumerate(values):
        if value is None:
            drawing = False
            continue
        y = HEIGHT - PAD - (float(value) - float(low)) / span * (HEIGHT - 2 * PAD) if high > low else HEIGHT / 2
        path.append(f"{'L' if drawing else 'M'}{i * step:.1f} {y:.1f}")
        alone = i + 1 == len(values) or values[i + 1] is None
        if not drawing and alone:
            path.append("h.1")
        drawing = True
    return "".join(path)


def image(values: Sequence[float | int | None]) -> str:
    """The line as an address of an SVG image, to be used as a mask."""
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" preserveAspectRatio="none">'
        f'<path d="{line(values)}" fill="none" stroke="#000" stroke-width="1.6" vector-effect="non-scaling-stroke" '
        'stroke-linejoin="round" stroke-linecap="round"/></svg>'
    )
    return "data:image/svg+xml," + quote(svg, safe="/:=' <>")
