"""Every setting, its default and its help, as traitlets; and the folders Lepton writes to."""

from __future__ import annotations

import contextlib
import tomllib
import uuid
from functools import cache
from pathlib import Path
from typing import Any

from jupyter_core.paths import (
    jupyter_config_dir,
    jupyter_config_path,
    jupyter_data_dir,
    jupyter_runtime_dir,
)
from traitlets import Bool, Dict, Float, Int, List, Unicode
from traitlets.config import Config, Configurable
from traitlets.config.loader import ConfigFileNotFound, JSONFileConfigLoader, PyFileConfigLoader

from lepton_jlab.errors import UsageError


class Settings(Configurable):
    """Read from ``lepton_config.py`` or ``lepton_config.json`` in a Jupyter configuration path."""

    idle_timeout = Unicode(
        "1h", help="A cluster host stops itself after this time without an active run."
    ).tag(config=True)
    start_timeout = Float(120.0, help="Seconds a cluster may take to start.").tag(config=True)
    adapt_wait = Float(
        10.0, help="Seconds after which an adaptive cluster lets go of workers without runs."
    ).tag(config=True)
    preload = List(
        Unicode(),
        default_value=["tensorflow", "keras", "zarr"],
        help="Modules the fork server imports, so that run children have them already.",
    ).tag(config=True)
    grace = Float(4.0, help="Seconds between the interrupt and the kill of a cancelled run.").tag(
        config=True
    )
    linger = Float(
        0.1, help="Seconds a slot is held after its last run, so that the next one starts at once."
    ).tag(config=True)
    keep_timeout = Float(600.0, help="Seconds an unused persistent child (--keep) lives on.").tag(
        config=True
    )
    output_limit = Int(
        16 * 2**20, help="Bytes of output kept per run; beyond it, its head and its tail."
    ).tag(config=True)
    cache_folder = Unicode(
        "", help="Folder of the cache of remote datasets; empty: in the Jupyter data directory."
    ).tag(config=True)
    kernel_start_timeout = Float(
        60.0, help="Seconds a notebook's kernel waits for a free worker before it is refused."
    ).tag(config=True)
    kernel_patience = Float(
        60.0,
        help="Seconds a kernel on a worker lives on when the connection to its notebook breaks.",
    ).tag(config=True)
    kernel_for_each_cluster = Bool(
        False, help="Whether each cluster is offered in Jupyter's launcher, as by --kernel."
    ).tag(config=True)
    services = List(
        Unicode(),
        default_value=["lepton_jlab.runs.service", "lepton_jlab.kernels.service"],
        help="Modules that a cluster host loads; each has `attach(host)`.",
    ).tag(config=True)
    links = Bool(
        True,
        help="Measure the links between workers of different places, and correct Dask by them.",
    ).tag(config=True)
    data_places = Dict(
        key_trait=Unicode(),
        value_trait=Unicode(),
        help="Where datasets lie, by how their address begins: {'s3://plant-7/': 'edge'}.",
    ).tag(config=True)
    usage_sources = List(
        Unicode(),
        default_value=["lepton_jlab.runs.usage"],
        help="Modules that tell the sampler what workers and runs use; each has `usage()`.",
    ).tag(config=True)


@cache
def settings() -> Settings:
    """Return this process's settings, read once."""
    config = Config()
    for folder in reversed(jupyter_config_path()):
        for loader in (PyFileConfigLoader, JSONFileConfigLoader):
            suffix = "py" if loader is PyFileConfigLoader else "json"
            try:
                config.merge(loader(f"lepton_config.{suffix}", path=folder).load_config())
            except ConfigFileNotFound:
                continue
    return Settings(config=config)


def private_folder(path: Path) -> Path:
    """Make `path` and return it, readable by this user alone."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    if path.stat().st_mode & 0o077:
        path.chmod(0o700)
    return path


@cache
def runtime_folder() -> Path:
    """Return the folder of connection files, beside those of Jupyter's kernels."""
    return private_folder(Path(jupyter_runtime_dir()))


@cache
def data_folder() -> Path:
    """Return the folder of run records, in the Jupyter data directory."""
    return private_folder(Path(jupyter_data_dir()) / "lepton")


def installation() -> str:
    """Return a word that tells this user's Jupyter data directory from all others."""
    file = data_folder() / "installation"
    with contextlib.suppress(FileExistsError), file.open("x") as made:
        made.write(uuid.uuid4().hex)
    return file.read_text()


@cache
def cache_folder() -> Path:
    """Return the folder of what is kept of remote datasets."""
    chosen = settings().cache_folder
    return private_folder(Path(chosen).expanduser() if chosen else data_folder() / "cache")


def user_file(name: str) -> Path:
    """Return the user's file of that name among Jupyter's settings, or where it would be."""
    for folder in jupyter_config_path():
        if (path := Path(folder) / name).is_file():
            return path
    return Path(jupyter_config_dir()) / name


def read_toml(path: Path) -> dict[str, Any]:
    """Return what a user's TOML file says; nothing where there is none.

    Raises
    ------
    UsageError
        If it cannot be read, or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}. Correct it, or remove it.") from error
