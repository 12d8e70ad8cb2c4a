"""Turns documents into JSON that browsers read: what is not a number becomes null."""

from __future__ import annotations

import json
from typing import Any

from lepton_jlab.documents import plain


def dumps(document: Any) -> str:
    """Return the JSON text of `document`."""
    try:
        return json.dumps(document, allow_nan=False, ensure_ascii=False, default=_other)
    except (ValueError, TypeError):  # NaN, infinity, keys that are not text: rare
        return json.dumps(plain(document), allow_nan=False, ensure_ascii=False, default=_other)


def _other(value: Any) -> Any:
    """Return what NumPy's scalars and arrays are as JSON, and other things as text."""
    to_list = getattr(value, "tolist", None)
    return plain(to_list()) if to_list is not None else str(value)
