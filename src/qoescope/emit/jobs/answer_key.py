"""Answer key: the files beside a data set that say which faults were injected."""

import json
from typing import IO, Any

import pyarrow as pa
from pyarrow import csv as arrow_csv

from qoescope.emit import key as answers

KEY_NAME, KEY_TABLE_NAME = "answer_key.json", "answer_key.csv"


def write_answer_key(answer: dict[str, Any], key: IO[bytes], table: IO[bytes]) -> None:
    """Writes the key as JSON and as a CSV table; a full disk is told before any of the files takes its name."""
    key.write(json.dumps(answer, indent=1).encode() + b"\n")
    lines = [
        {name: "" if value is None else str(value) for name, value in row.items()} for row in answers.table(answer)
    ]
    arrow_csv.write_csv(pa.Table.from_pylist(lines), table)
    for file in (key, table):
        file.flush()
