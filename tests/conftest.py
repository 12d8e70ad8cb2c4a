"""One fixture makes one real thing: private Jupyter folders, a cluster, a dataset."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from nvml import invented, nvml_library

__all__ = ["invented", "nvml_library"]  # fixtures

_FOLDERS = ("JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR")

# Before anything reads them, and for the whole session: clusters of one module serve many tests.
_home = Path(tempfile.mkdtemp(prefix="lepton-tests-"))
for _name in _FOLDERS:
    os.environ[_name] = str(_home / _name.lower())
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# A shell that starts the tests in the background has them and their children ignore interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def private_folders() -> Iterator[Path]:
    """Keep the user's own records and clusters out of the tests, and leave nothing behind."""
    yield _home
    from lepton_jlab.cluster import clusters

    left = [cluster.name for cluster in clusters()]
    for cluster in clusters():
        cluster.stop(force=True)
    shutil.rmtree(_home, ignore_errors=True)
    assert not left, f"clusters left behind by tests: {left}"


@pytest.fixture
def no_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Records of its own, without any run of the tests before."""
    from lepton_jlab.config import data_folder

    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "no-records"))
    data_folder.cache_clear()
    yield
    data_folder.cache_clear()


@pytest.fixture(scope="module")
def light() -> Iterator[None]:
    """Clusters that are warm at once: their runs import TensorFlow themselves, if they need it."""
    path = Path(os.environ["JUPYTER_CONFIG_DIR"]) / "lepton_config.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('{"Settings": {"preload": [], "grace": 1.0}}')
    yield
    path.unlink()


@pytest.fixture(scope="module")
def cluster() -> Iterator["Cluster"]:  # noqa: F821, UP037
    """A cluster of two workers, shared by the tests of a module."""
    import lepton_jlab as lepton

    started = lepton.start_cluster(workers=2, threads=1, idle_timeout="10 min")
    yield started
    if started.name in {c.name for c in lepton.clusters()}:
        started.stop(force=True)
