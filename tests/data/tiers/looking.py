"""What a dataset is for its readers, and what lies in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import zarr

VALUES = np.random.default_rng(0).integers(0, 9, (4000, 16), dtype="i4")


def names(folder: Path) -> list[str]:
    """Return what lies in a folder; nothing where there is none."""
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def snapshot(path: Path) -> dict[str, Any]:
    """Return all that readers see but the codecs; of the root the history for itself."""
    root = zarr.open_group(str(path), mode="r", use_consolidated=False)
    attributes = root.attrs.asdict()
    schema = attributes.get("lepton", {})
    seen: dict[str, Any] = {
        "/": {
            "attributes": {k: v for k, v in attributes.items() if k != "lepton"},
            "schema": {k: v for k, v in schema.items() if k != "history"},
            "history": list(schema.get("history", [])),
        }
    }
    for name, node in root.members(max_depth=None):
        about: dict[str, Any] = {"attributes": node.attrs.asdict()}
        if isinstance(node, zarr.Array):
            document: dict[str, Any] = dict(node.metadata.to_dict())
            document.pop("codecs")
            document["fill_value"] = repr(document["fill_value"])
            values = np.asarray(node[...])
            text = values.dtype.hasobject or values.dtype.kind == "T"
            about |= {
                "document": repr(sorted(document.items(), key=lambda item: item[0])),
                "values": values.tolist() if text else values.tobytes(),
            }
        seen[name] = about
    return seen
