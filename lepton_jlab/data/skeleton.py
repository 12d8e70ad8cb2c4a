"""Makes a dataset's groups and arrays, empty as yet, with all that they say of themselves."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.data.codecs import CODECS, DEFAULT, TEXT_KINDS, Codec
from lepton_jlab.data.layout import Layout, plan_layouts
from lepton_jlab.data.recipe import Parts, Plan, path_of
from lepton_jlab.data.schema import ROLES
from lepton_jlab.data.sources import ArrayForm, Loaded, PartForm, Samples
from lepton_jlab.data.writing import Job

if TYPE_CHECKING:
    import zarr

MAX_ERROR = "max_error"  # the attribute of an array whose values were rounded


def create(
    folder: Path,
    loaded: Loaded,
    parts: Parts,
    plan: Plan,
    entry: Mapping[str, Any],
    rounded: frozenset[str],
) -> zarr.Group:
    """Make the groups and arrays of a dataset.

    Parameters
    ----------
    folder
        Of the dataset.
    loaded
        What its parts say of themselves.
    parts
        The samples that it will hold.
    plan
        Layouts and codecs by path.
    entry
        What the history says of this import.
    rounded
        Paths of the arrays that were rounded; their attributes say by how much.
    """
    import zarr

    root: Any = zarr.create_group(str(folder), attributes=_attributes(loaded, "", entry))
    for part, arrays in parts.items():
        said = _attributes(loaded, part, entry)
        group = root.create_group(part, attributes=said) if part else root
        form = loaded.forms.get(part, PartForm())
        for name, values in arrays.items():
            path = path_of(part, name)
            about = form.arrays.get(name, ArrayForm())
            if path in rounded:
                error = about.attributes.get(MAX_ERROR, 0) + entry[MAX_ERROR]
                about = ArrayForm(
                    about.dims, {**about.attributes, MAX_ERROR: error}, about.fill_value
                )
            create_array(group, name, values, plan.layouts[path], plan.codecs[path], about)
        for name, values in form.others.items():
            about = form.arrays.get(name, ArrayForm())
            if values.shape:
                layout = plan_layouts({name: values})[name]
                create_array(group, name, values, layout, CODECS[DEFAULT], about)
            else:
                _write_single(group, name, values, about)
    return root  # type: ignore[no-any-return]


def reopen(folder: Path) -> zarr.Group:
    """Open what `create` made, to be filled further."""
    import zarr

    return zarr.open_group(str(folder), mode="r+", use_consolidated=False)


def jobs_of(root: zarr.Group, loaded: Loaded, parts: Parts) -> list[Job]:
    """Return the arrays that are to be filled, with what they get."""
    sources = {
        path_of(part, name): values
        for part, arrays in parts.items()
        for name, values in (arrays | _others(loaded, part)).items()
    }
    jobs = []
    with warnings.catch_warnings():  # on codecs that zarr-python alone can read
        warnings.simplefilter("ignore")
        for path, values in sources.items():
            array: Any = root[path]
            layout = Layout(array.chunks[0], array.shards[0] if array.shards else None)
            jobs.append(Job(path, values, array, layout))
    return jobs


def _others(loaded: Loaded, part: str) -> dict[str, Samples]:
    form = loaded.forms.get(part, PartForm())
    return {name: values for name, values in form.others.items() if values.shape}


def create_array(
    group: zarr.Group, name: str, values: Samples, layout: Layout, codec: Codec, form: ArrayForm
) -> None:
    """Make an array like `values`; only the axis of samples is cut into chunks."""
    rest = tuple(max(1, n) for n in values.shape[1:])
    options: dict[str, Any] = codec.create_options(values.dtype)
    if form.fill_value is not None:
        options["fill_value"] = form.fill_value
    with warnings.catch_warnings():  # on types and codecs that zarr-python alone can read
        warnings.simplefilter("ignore")
        group.create_array(
            name,
            shape=values.shape,
            dtype=_stored_type(values),
            chunks=(layout.chunk, *rest),
            shards=None if layout.shard is None else (layout.shard, *rest),
            dimension_names=form.dims or axis_names(name, values),
            attributes=form.attributes or None,
            **options,
        )


def _write_single(group: zarr.Group, name: str, value: Any, form: ArrayForm) -> None:
    array = group.create_array(
        name, shape=(), dtype=_stored_type(value), attributes=form.attributes or None
    )
    array[()] = np.asarray(value)


def _stored_type(values: Samples) -> Any:
    return "str" if values.dtype.kind in TEXT_KINDS else values.dtype.newbyteorder("=")


def axis_names(name: str, values: Samples) -> tuple[str, ...]:
    """Return names of the axes by which xarray and people tell them apart."""
    rest = values.shape[1:]
    if values.dtype == np.uint8 and len(rest) == 3 and rest[2] in (1, 3, 4):
        return ("sample", "height", "width", "channel")
    if len(rest) == 1:
        return ("sample", "feature" if name == "x" else f"{name}_feature")
    return ("sample", *(f"{name}_{axis}" for axis in range(1, 1 + len(rest))))


def _attributes(loaded: Loaded, part: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of a part's group, of which ``lepton`` is the schema."""
    form = loaded.forms.get(part)
    if form is not None:
        known = dict(form.attributes.get("lepton", {}))
        history = [*known.get("history", []), entry]
        schema = {"source": loaded.origin, **known, "history": history}
        return {**form.attributes, "lepton": schema}
    roles = {role: role for role in ROLES if role in loaded.parts.get(part, {})}
    schema = {"source": loaded.origin, "history": [entry]}
    if roles:
        schema["roles"] = roles
    if loaded.classes:
        schema["classes"] = loaded.classes
    return {"lepton": schema}
