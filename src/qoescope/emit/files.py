"""Files: whole or not at all; a failure leaves nothing behind and is said in one line."""

import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import IO

from qoescope.catalog.errors import Mistake
from qoescope.host.files import beside, replacing


def folder(out: Path) -> Path:
    """The folder, made if need be."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Mistake(f"cannot make the folder {out}: {error.strerror or error}; choose another with --out") from error
    return out


@contextmanager
def tidy_when_ended() -> Iterator[None]:
    """SIGTERM in the block unwinds it as an exit does, so that files half written and workers go too."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def whole(path: Path) -> Iterator[IO[bytes]]:
    """A file that appears only once all of it is written; nothing is left of a failure."""
    try:
        with replacing(path) as file:
            yield file
    except OSError as error:
        raise Mistake(f"cannot write {path}: {error.strerror or error}; nothing was left behind") from error


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A folder that appears only once all of it is written, in place of the one before."""
    half = beside(path)
    try:
        half.mkdir()
        yield half
        if path.is_dir():
            shutil.rmtree(path)
        half.rename(path)
    except OSError as error:
        shutil.rmtree(half, ignore_errors=True)
        raise Mistake(f"cannot write {path}: {error.strerror or error}; nothing was left behind") from error
    except BaseException:
        shutil.rmtree(half, ignore_errors=True)
        raise


@contextmanager
def half_book(book: Path | None) -> Iterator[Path | None]:
    """Where to write a book that takes its name at the end, however that comes."""
    if book is None:
        yield None
        return
    half = beside(folder(book.parent) / book.name)
    try:
        yield half
    finally:
        if half.exists():
            half.replace(book)


@contextmanager
def scratch(path: Path) -> Iterator[Path]:
    """A folder beside `path` for parts of it, gone afterwards."""
    place = beside(path.with_name(f"{path.name}.parts"))
    try:
        place.mkdir()
        yield place
    except OSError as error:
        raise Mistake(f"cannot write {path}: {error.strerror or error}; nothing was left behind") from error
    finally:
        shutil.rmtree(place, ignore_errors=True)


def moved_into(file: IO[bytes], part: Path) -> None:
    """Adds a part to the whole, and removes it."""
    with part.open("rb") as source:
        shutil.copyfileobj(source, file, 1 << 20)
    part.unlink()
