"""The new dataset of a move on its way: written aside, put beside the old one when it is whole."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lepton_jlab.data.elsewhere import leave_behind
from lepton_jlab.data.tiers import places
from lepton_jlab.data.tiers.guarding import clear_homes, new_home, upload_folder, upload_of
from lepton_jlab.data.tiers.homes import Bucket, Folder, Home
from lepton_jlab.data.tiers.prices import Tier
from lepton_jlab.data.tiers.settling import settle
from lepton_jlab.data.unfinished import Unfinished, hold, unfinished


@dataclass(frozen=True, slots=True)
class Arrival:
    """What is being written.

    Attributes
    ----------
    home
        Where to.
    into
        What of it is written already.
    """

    home: Home
    into: Unfinished


@contextmanager
def arriving(own: Path, target: Tier, key: Mapping[str, Any]) -> Iterator[Arrival]:
    """Give a place to write a dataset to; at the end it is `places.moving`, whole and on the disk.

    What a killed process has written is gone on with if `key` is the same. After an error what was
    written stays; `clear_homes` removes it.

    Parameters
    ----------
    own
        The name of the dataset; it is held against other moves.
    target
        The tier where it shall be.
    key
        What is written and how, JSON-ready.
    """
    arrive = _in_bucket if target.url else _in_folder
    with arrive(own, target, key) as arrival:
        yield arrival


@contextmanager
def _in_folder(own: Path, target: Tier, key: Mapping[str, Any]) -> Iterator[Arrival]:
    home, beside = new_home(own, target), places.moving(own)
    home.parent.mkdir(parents=True, exist_ok=True)
    clear_homes(own, but=home)
    with unfinished(home, True, key) as into:
        yield Arrival(Folder(into.folder), into)
    if home != beside:
        beside.symlink_to(home)


@contextmanager
def _in_bucket(own: Path, target: Tier, key: Mapping[str, Any]) -> Iterator[Arrival]:
    url = upload_of(own)
    if url.rpartition("/")[0] != target.url:
        # By chance and not by the name: many machines may have one bucket, and equal paths in it.
        url = f"{target.url}/{own.stem}-{uuid.uuid4().hex[:12]}{own.suffix}"
    clear_homes(own, but=url)
    bucket = Bucket(url)
    places.uploading(own).write_text(url)
    journal = hold(upload_folder(own), own)
    try:
        into = Unfinished(upload_folder(own), journal, {**key, "url": url})
        if not into.resumed:
            bucket.clear()
        yield Arrival(bucket, into)
    finally:
        bucket.stop()
        os.close(journal)
    sizes = bucket.sizes()
    documents = {
        name: bucket.read(name).decode() for name in sizes if name.rpartition("/")[2] == "zarr.json"
    }
    chunks = {name: size for name, size in sizes.items() if name not in documents}
    leave_behind(places.moving(own), url, documents, chunks)
    settle(own.parent)
    shutil.rmtree(upload_folder(own))
    places.uploading(own).unlink()
