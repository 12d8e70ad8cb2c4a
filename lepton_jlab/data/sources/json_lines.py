"""JSON lines: numbers and booleans become x, texts arrays of their own, the label field y."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lepton_jlab.data.sources import Loaded
from lepton_jlab.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

FORM = "JSON lines (.jsonl, .ndjson)"

SUFFIXES = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")


def accepts(source: str) -> bool:
    """Whether `source` is such a file by its name."""
    return source.lower().endswith(SUFFIXES) and Path(source).expanduser().is_file()


def load(source: str, label: str | None) -> Loaded:
    """Read one object a line; what a line does not say is missing there."""
    import pandas as pd

    from lepton_jlab.data.sources.tables import loaded_table

    rows = list(_rows(source))
    if not rows:
        raise DataError(f"{source} has no lines.")
    return loaded_table(pd.DataFrame(rows), source, label)


def _rows(source: str) -> Iterator[dict[str, Any]]:
    path = Path(source).expanduser()
    opening: Any = gzip.open if path.suffix == ".gz" else Path.open
    number = 0
    try:
        with opening(path, "rb") as binary, io.TextIOWrapper(binary, "utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    row = json.loads(line)
                    if not isinstance(row, dict):
                        raise DataError(f"{source}, line {number}: {line[:40]!r} is no object.")
                    yield row
    except UnicodeDecodeError as error:
        raise DataError(f"{source} is not UTF-8 after line {number}: {error.reason}.") from error
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"{source}, line {number} cannot be read: {error}") from error
