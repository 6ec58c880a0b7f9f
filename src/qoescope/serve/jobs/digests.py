"""Digests: a page a week for people who do not open the console."""

from datetime import date, timedelta
from pathlib import Path
from urllib.parse import quote

from qoescope.host.files import replacing
from qoescope.serve.digest import pages
from qoescope.serve.store.store import open_store
from qoescope.settings import Settings


def digests(settings: Settings, last: date, days: int = 7, property_id: str = "") -> list[Path]:
    """Writes a page of the days that end with `last` for the property, or for each; answers the files."""
    store, folder, written = open_store(settings), settings.var / "digests", []
    folder.mkdir(parents=True, exist_ok=True)
    with store.reader, store.writer:
        for name in [property_id] if property_id else store.properties():
            path = folder / f"{quote(name, safe='')}-{last}.html"
            page = pages.render(store.of(name), name, last - timedelta(days=days - 1), last)
            with replacing(path) as file:
                file.write(page.encode())
            written.append(path)
    return written
