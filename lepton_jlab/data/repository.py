"""Datasets in Icechunk repositories, in folders and buckets; versions are tags and branches."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from lepton_jlab.errors import DataError, MissingDependencyError, NotFoundError, suggestion

MARK = "|icechunk:"  # between the address of a repository and a version of it
MAIN = "main"
_REFS = f"refs/branch.{MAIN}/ref.json"  # what every repository has
_SCHEMES = ("s3", "gs", "gcs")


def is_repository(folder: Path) -> bool:
    """Whether a folder of this machine is an Icechunk repository."""
    return (folder / "snapshots").is_dir() and (
        (folder / "refs").is_dir() or (folder / "repo").is_file()
    )


def is_remote_repository(url: str) -> bool:
    """Whether there is an Icechunk repository at a URL, by one or two requests."""
    from lepton_jlab.data.remote.connect import connect, scheme_of

    if scheme_of(url) not in _SCHEMES:
        return False
    import obstore
    from obstore.exceptions import BaseError

    client = connect(url, silence=10.0, retries=2)
    for key in (_REFS, "repo"):
        try:
            obstore.head(client, key)
        except (BaseError, FileNotFoundError):
            continue
        return True
    return False


def open_repository(where: str, version: str = "") -> Any:
    """Open what a repository holds, as its tag, branch or snapshot has it.

    Parameters
    ----------
    where
        Folder, ``s3://bucket/prefix`` or ``gs://bucket/prefix``.
    version
        A tag, else a branch, else the number of a snapshot; "" for the branch ``main``.

    Raises
    ------
    MissingDependencyError
        If Icechunk is not installed.
    NotFoundError
        If there is no such version.
    DataError
        If the repository cannot be opened.
    """
    try:
        import icechunk
    except ImportError as error:
        what = f"icechunk, which reads the repository {where},"
        raise MissingDependencyError(what, "icechunk") from error
    import zarr

    try:
        repository = icechunk.Repository.open(_storage(where))
        chosen = _chosen(repository, version or MAIN)
        store: Any = repository.readonly_session(**chosen).store
        if "://" in where:
            from lepton_jlab.data.remote.gate import MOST

            store.width = MOST  # how many threads may wait for it
        return zarr.open(store=store, mode="r")
    except icechunk.IcechunkError as error:
        reason = str(error).partition("\n")[0]
        raise DataError(f"{where} cannot be opened as an Icechunk repository: {reason}") from error


def names(where: str) -> list[str]:
    """Return the tags and branches of a repository."""
    import icechunk

    repository = icechunk.Repository.open(_storage(where))
    return [*sorted(repository.list_tags()), *sorted(repository.list_branches())]


def _chosen(repository: Any, version: str) -> dict[str, Any]:
    tags, branches = repository.list_tags(), repository.list_branches()
    if version in tags:
        return {"tag": version}
    if version in branches:
        return {"branch": version}
    if len(version) == 20 and version.isalnum() and version.isupper():  # as snapshots are called
        return {"snapshot_id": version}
    known = sorted(tags | branches)
    near = suggestion(version, known) or f" There are: {', '.join(known)}."
    raise NotFoundError(f"The repository has no tag or branch {version!r}.{near}")


def _storage(where: str) -> Any:
    import icechunk

    scheme, is_url, rest = where.partition("://")
    if not is_url:
        return icechunk.local_filesystem_storage(where)
    bucket, _, prefix = rest.partition("/")
    if scheme != "s3":
        return icechunk.gcs_storage(bucket=bucket, prefix=prefix, from_env=True)
    from lepton_jlab.data.remote.connect import s3_options

    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    how: dict[str, Any] = s3_options(bucket)
    anonymous = how.pop("skip_signature", False)
    return icechunk.s3_storage(
        bucket=bucket,
        prefix=prefix,
        region=how.pop("region", None) or os.environ.get("AWS_REGION", "us-east-1"),
        endpoint_url=endpoint,
        allow_http=True,
        force_path_style=endpoint is not None,
        anonymous=anonymous or None,
        from_env=None if how or anonymous else True,
        **how,
    )
