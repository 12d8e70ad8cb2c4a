"""An environment that has a few packages of this one, with what they need, and nothing else."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
from importlib import metadata
from pathlib import Path


def clean_environment(folder: Path, *packages: str) -> Path:
    """Make a virtual environment with links to `packages`, and return its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    there = folder / "lib" / version / "site-packages"
    here = Path(sysconfig.get_path("purelib"))
    for package in _with_needs(set(packages)):
        for file in metadata.files(package) or ():
            top = file.parts[0]
            if top not in ("..", "__pycache__") and not (there / top).exists():
                (there / top).symlink_to(here / top)
    return folder / "bin" / "python"


def _with_needs(wanted: set[str]) -> set[str]:
    found: set[str] = set()
    while wanted - found:
        package = (wanted - found).pop()
        found.add(package)
        for need in metadata.requires(package) or ():
            name = re.match(r"[\w.-]+", need)[0]
            if "extra" not in need and _is_here(name):  # others are for other systems
                wanted.add(name)
    return found


def _is_here(package: str) -> bool:
    try:
        return bool(metadata.distribution(package))
    except metadata.PackageNotFoundError:
        return False
