"""Fashion-MNIST by name, wherever it is to be had."""

from __future__ import annotations

from pathlib import Path

import pytest

from lepton_jlab.data import import_dataset
from lepton_jlab.data.sources import fashion_mnist
from lepton_jlab.errors import NotFoundError


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away Debian's package, what Keras has kept, and the internet."""
    monkeypatch.setattr(fashion_mnist, "DEBIAN", tmp_path / "no-package")
    monkeypatch.setattr(fashion_mnist, "KERAS_ADDRESS", "http://127.0.0.1:9/refuses")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "no-keras"))


def test_without_package_and_internet_the_sample_of_the_repository_is_taken(tmp_path: Path) -> None:
    ds = import_dataset("fashion-mnist", tmp_path / "fashion.zarr")
    assert (len(ds), len(ds["test"])) == (12_000, 2_000)
    assert "Lepton's sample" in ds.attrs["lepton"]["source"]


def test_where_nothing_is_to_be_had_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "site-packages/lepton_jlab/data/sources/fashion_mnist.py"
    installed.parent.mkdir(parents=True)
    installed.touch()
    monkeypatch.setattr(fashion_mnist, "__file__", str(installed))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotFoundError, match="install Debian's dataset-fashion-mnist, or connect"):
        import_dataset("fashion-mnist", tmp_path / "fashion.zarr")
