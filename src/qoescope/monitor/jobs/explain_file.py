"""Files: a table of counts in a file, explained."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from qoescope.catalog.errors import Mistake
from qoescope.monitor.search.explain import explain, explain_volume
from qoescope.monitor.search.root_cause import RootCause
from qoescope.monitor.search.scan import DEPTH

_DELIMITERS = ",;\t|"
_HEADER_BYTES = 65_536


def explain_file(  # noqa: PLR0913 - each is an option of the command line
    path: Path,
    dims: Sequence[str],
    depth: int = DEPTH,
    /,
    *,
    n: str = "",
    k: str = "",
    base_n: str = "",
    base_k: str = "",
    real: str = "",
    forecast: str = "",
) -> list[RootCause]:
    """The slices of a CSV or Parquet file that got worse, by counts (n, k, base_n, base_k) or by real and forecast.

    A slice names at most `depth` dimensions.
    """
    counts = {"--n": n, "--k": k, "--base-n": base_n, "--base-k": base_k}
    if bool(real) != bool(forecast):
        raise Mistake("--real and --forecast go together: name both columns")
    if real and any(counts.values()):
        raise Mistake("give either --real and --forecast, or --n, --k, --base-n and --base-k")
    missing = [option for option, column in counts.items() if not column and not real]
    if missing:
        raise Mistake(f"{', '.join(missing)} missing: name the columns of counts, or --real and --forecast")
    table = read(path, dims)
    if real:
        return explain_volume(table, dims, real, forecast, depth)
    return explain(table, dims, n, k, base_n, base_k, depth)


def read(path: Path, dims: Sequence[str]) -> pa.Table:
    """The file as a table; of a CSV (commas, semicolons, tabs or bars) dimensions are text, empty cells null."""
    if not path.is_file():
        raise Mistake(f"no file '{path}'")
    if path.stat().st_size == 0:
        raise Mistake(f"'{path}' is empty: its first line must name the columns")
    try:
        if path.suffix == ".parquet":
            return pyarrow.parquet.read_table(path)
        with pa.input_stream(str(path)) as file:
            header = file.read(_HEADER_BYTES).decode("utf-8", errors="ignore").partition("\n")[0]
        options = pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(dims, pa.string()),
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            null_values=[""],
        )
        delimiter = max(_DELIMITERS, key=header.count)
        layout = pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
        table = pyarrow.csv.read_csv(path, parse_options=layout, convert_options=options)
    except (pa.ArrowInvalid, pa.ArrowKeyError, OSError) as error:
        raise Mistake(f"'{path}' cannot be read: {str(error).splitlines()[0]}") from error
    return table.rename_columns([name.strip() for name in table.column_names])
