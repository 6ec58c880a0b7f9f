"""Changes: files whose rows are new in a table of the lake, version by version."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from deltalake import DeltaTable

from qoescope.catalog.schema import Table
from qoescope.connect.lake.reading import list_files
from qoescope.connect.lake.tables import File, open_table, storage_options, table_uri
from qoescope.settings import Settings


@dataclass(frozen=True, slots=True)
class Change:
    """What one version, or the versions since the last change, added."""

    version: int
    files: Collection[File]


class Changes:
    """A table that is followed: every row that came, and none that was only written again."""

    def __init__(self, settings: Settings, table: Table) -> None:
        self._settings, self._table = settings, table
        self._delta: DeltaTable | None = None
        self._seen: dict[int, dict[str, File]] = {}

    def after(self, version: int | None) -> Iterator[Change]:
        """Changes after this version, the oldest first; with None what is there now, and what came after it.

        Where the log does not know these versions, any more or yet, all that is there comes again.
        """
        newest = self._newest().version()
        if version == newest:
            return
        told: list[dict[str, Any]] = []
        if version is not None and version < newest:
            newest, told = self._commits_since(version)
        if version is None or version > newest or len(told) < newest - version:
            yield Change(newest, self._at(newest).values())
            return
        appends = {one["version"] for one in told if _appends(one)}
        if len(appends) == len(told):
            yield self._change(version, newest)
            return
        for number in range(version + 1, newest + 1):
            yield self._change(number - 1, number) if number in appends else Change(number, ())

    def _commits_since(self, version: int) -> tuple[int, list[dict[str, Any]]]:
        """The newest version, and what was noted of each since then, the newest first.

        The log counts versions down from the newest one that this handle knows: a commit in between would shift them.
        """
        while True:
            delta = self._newest()
            newest = delta.version()
            told = delta.history(newest - version)
            if self._newest().version() == newest:
                return newest, told

    def _change(self, before: int, after: int) -> Change:
        known = self._at(before)
        return Change(after, [f for path, f in self._at(after).items() if path not in known])

    def _at(self, version: int) -> dict[str, File]:
        """The files of a version, by path; of the last two that were asked for they are remembered."""
        if version not in self._seen:
            delta = self._newest()
            if delta.version() != version:
                options = storage_options(self._settings)
                delta = DeltaTable(table_uri(self._settings, self._table), version=version, storage_options=options)
            found = {f.path: f for f in sorted(list_files(delta), key=lambda f: f.path)}
            self._seen = dict([*self._seen.items(), (version, found)][-2:])
        return self._seen[version]

    def _newest(self) -> DeltaTable:
        if self._delta is None:
            self._delta = open_table(self._settings, self._table)
        self._delta.update_incremental()
        return self._delta


def _appends(told: Mapping[str, Any]) -> bool:
    """Whether a version added rows; others write rows again that were there, or take them away."""
    return told.get("operation") == "WRITE" and told.get("operationParameters", {}).get("mode") == "Append"
