"""Follows a table of the lake: files with new rows, version by version."""

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
    """Files that one version, or several together, added."""

    version: int
    files: Collection[File]


class Changes:
    """Follows a table: yields every file of new rows, and none that only rewrites old ones."""

    def __init__(self, settings: Settings, table: Table) -> None:
        self._settings, self._table = settings, table
        self._delta: DeltaTable | None = None
        self._files_by_version: dict[int, dict[str, File]] = {}

    def after(self, version: int | None) -> Iterator[Change]:
        """Changes after this version, the oldest first; with None all present files, then later changes.

        Where the table's log does not cover these versions, all present files are yielded again.
        """
        newest = self._newest().version()
        if version == newest:
            return
        commits: list[dict[str, Any]] = []
        if version is not None and version < newest:
            newest, commits = self._commits_since(version)
        if version is None or version > newest or len(commits) < newest - version:
            yield Change(newest, self._at(newest).values())
            return
        appends = {one["version"] for one in commits if _is_append(one)}
        if len(appends) == len(commits):
            yield self._change(version, newest)
            return
        for number in range(version + 1, newest + 1):
            yield self._change(number - 1, number) if number in appends else Change(number, ())

    def _commits_since(self, version: int) -> tuple[int, list[dict[str, Any]]]:
        """(newest version, commits after `version`, the newest first).

        deltalake counts versions back from the newest one of this handle: a concurrent commit would shift them.
        """
        while True:
            delta = self._newest()
            newest = delta.version()
            commits = delta.history(newest - version)
            if self._newest().version() == newest:
                return newest, commits

    def _change(self, before: int, after: int) -> Change:
        known = self._at(before)
        return Change(after, [f for path, f in self._at(after).items() if path not in known])

    def _at(self, version: int) -> dict[str, File]:
        """The files of a version, by path; the last two versions are cached."""
        if version not in self._files_by_version:
            delta = self._newest()
            if delta.version() != version:
                options = storage_options(self._settings)
                delta = DeltaTable(table_uri(self._settings, self._table), version=version, storage_options=options)
            files = {f.path: f for f in sorted(list_files(delta), key=lambda f: f.path)}
            self._files_by_version = dict([*self._files_by_version.items(), (version, files)][-2:])
        return self._files_by_version[version]

    def _newest(self) -> DeltaTable:
        if self._delta is None:
            self._delta = open_table(self._settings, self._table)
        self._delta.update_incremental()
        return self._delta


def _is_append(commits: Mapping[str, Any]) -> bool:
    """Whether a commit added rows; others rewrite or delete rows."""
    return commits.get("operation") == "WRITE" and commits.get("operationParameters", {}).get("mode") == "Append"
