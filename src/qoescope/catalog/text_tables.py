"""Text tables: rows of plain text as records, so that a table of many columns stays readable in the source.

The first row names the columns, `|` parts cells, and an indented line goes on with the row above it.
"""


def records(text: str) -> list[dict[str, str]]:
    """Each row as column → cell, stripped; cells left out at a row's end are empty.

    Raises ValueError for a row with more cells than the table has columns.
    """
    rows: list[str] = []
    for line in filter(str.strip, text.splitlines()):
        if line.startswith(" "):
            rows[-1] += " " + line.strip()
        else:
            rows.append(line)
    names, *cells = ([cell.strip() for cell in row.split("|")] for row in rows)
    for row in cells:
        if len(row) > len(names):
            raise ValueError(f"{len(row)} cells in a table of {len(names)} columns: {row}")
    return [dict(zip(names, row + [""] * (len(names) - len(row)), strict=True)) for row in cells]


def shares(cell: str) -> tuple[tuple[str, float], ...]:
    """Names with their shares, `7.0 0.4, 8.0 0.6`."""
    pairs = (part.split() for part in cell.split(","))
    return tuple((name, float(share)) for name, share in pairs)


def numbers(cell: str) -> tuple[float, ...]:
    """Numbers apart by blanks."""
    return tuple(map(float, cell.split()))
