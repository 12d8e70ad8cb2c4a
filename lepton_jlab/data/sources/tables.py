"""Tables in CSV and Parquet files: numeric columns become x, the label column becomes y."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.data.sources import Loaded, Samples, numbered
from lepton_jlab.errors import DataError, MissingDependencyError, UsageError, suggestion

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

FORM = "tables (.csv, .csv.gz, .tsv, .parquet)"

CSV = (".csv", ".csv.gz", ".csv.zst", ".csv.xz", ".tsv", ".tsv.gz")
PARQUET = (".parquet", ".pq")


def accepts(source: str) -> bool:
    """Whether `source` is a table by its name."""
    path = Path(source).expanduser()
    return path.name.lower().endswith(CSV + PARQUET) and path.exists()


def load(source: str, label: str | None) -> Loaded:
    """Read the table.

    ``x`` has the numeric and boolean columns but the label, in one dtype that holds them all;
    columns of texts become arrays of their own; others, such as dates, are left out, and the notes
    say which. A label that is not a number becomes class numbers and names.
    """
    return loaded_table(_read(source), source, label)


def loaded_table(table: pd.DataFrame, source: str, label: str | None) -> Loaded:
    """Return the arrays of a table, as `load` says."""
    if label is not None and label not in table.columns:
        names = [str(name) for name in table.columns]
        near = suggestion(label, names) or f" There are: {', '.join(names[:20])}."
        raise UsageError(f"{source} has no column {label!r}.{near}")
    features = table.drop(columns=[label] if label is not None else [])
    numeric = features.select_dtypes(["number", "bool"])
    arrays: dict[str, Samples] = {}
    if len(numeric.columns):
        arrays["x"] = _matrix(numeric)
    classes = None
    if label is not None:
        arrays["y"], classes = _label(table[label], source)
    left = []
    for name in features.columns:
        if name not in numeric.columns:
            values = _texts(features[name])
            if values is None:
                left.append(str(name))
            else:
                arrays[str(name)] = values
    texts = [name for name in arrays if name not in ("x", "y")]
    if "x" not in arrays and len(texts) == 1:
        arrays["x"] = arrays.pop(texts[0])
    if not set(arrays) - {"y"}:
        listed = ", ".join(map(str, table.columns))
        raise DataError(f"{source} has no column of numbers or texts. Columns: {listed}.")
    notes: dict[str, Any] = {"columns": [str(name) for name in numeric.columns]}
    return Loaded({"": arrays}, source, classes, notes | ({"left_out": left} if left else {}))


def _read(source: str) -> pd.DataFrame:
    import pandas as pd

    path = Path(source).expanduser()
    try:
        if path.name.lower().endswith(PARQUET):
            return pd.read_parquet(path)
        return pd.read_csv(path, sep="\t" if ".tsv" in path.suffixes else ",")
    except ImportError as error:
        raise MissingDependencyError("pyarrow, which reads Parquet,", "parquet") from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{source} is not UTF-8{_where(path)}: {error.reason}. Convert it, as by "
            "iconv -f WINDOWS-1252 -t UTF-8."
        ) from error
    except (ValueError, OSError, EOFError) as error:  # pandas' and Arrow's own derive from these
        raise DataError(f"{source} cannot be read as a table: {error}") from error


def _where(path: Path) -> str:
    """Say which line of a file, unless it is compressed, is the first that is not UTF-8."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return f" (line {number})" if path.suffix in (".csv", ".tsv") else ""
    return ""


def _texts(column: pd.Series[Any]) -> NDArray[Any] | None:
    """Return a column of texts, empty where one is missing; None if it holds something else."""
    from pandas.api.types import infer_dtype

    if infer_dtype(column, skipna=True) not in ("string", "empty"):
        return None
    made = np.empty(len(column), np.dtypes.StringDType())
    made[:] = column.astype(object).where(column.notna(), "").to_list()
    return made


def _matrix(numeric: pd.DataFrame) -> NDArray[Any]:
    """Return the columns side by side; missing values among integers make them floats."""
    columns = [_numpy(numeric[name]) for name in numeric.columns]
    dtype = np.result_type(*(column.dtype for column in columns))
    return np.stack([column.astype(dtype, copy=False) for column in columns], axis=1)


def _numpy(column: pd.Series[Any]) -> NDArray[Any]:
    """Return the values; pandas' nullable integers and booleans in NumPy's types."""
    if isinstance(column.dtype, np.dtype):
        return column.to_numpy()
    if column.isna().any():
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    return column.to_numpy(dtype=getattr(column.dtype, "numpy_dtype", np.float64))


def _label(column: pd.Series[Any], source: str) -> tuple[NDArray[Any], list[str] | None]:
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    missing = int(column.isna().sum())
    if missing:
        raise DataError(
            f"{source}: the label {column.name!r} is missing in {missing} of {len(column)} rows. "
            "Remove these rows first."
        )
    if is_numeric_dtype(column) and not is_bool_dtype(column):
        return _numpy(column), None
    return numbered(column.to_numpy(dtype=object))
