"""Kernelspecs of clusters: Jupyter finds them, and those of dead hosts go away."""

from __future__ import annotations

import os

import psutil
import pytest
from jupyter_client.kernelspec import KernelSpecManager

from lepton_jlab.kernels import specs
from lepton_jlab.kernels.provisioner import LeptonProvisioner

HERE = (os.getpid(), psutil.Process().create_time())


@pytest.fixture(autouse=True)
def own_data(tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))


def test_jupyter_finds_what_is_offered():
    name = specs.offer("Lab.1", "tls://a:1", "worker tls://a:1, gpu:0", HERE)
    spec = KernelSpecManager().get_kernel_spec(name)
    assert spec.display_name == "Lepton: Lab.1 (worker tls://a:1, gpu:0)"
    assert spec.metadata["kernel_provisioner"]["provisioner_name"] == "lepton"
    config = spec.metadata["kernel_provisioner"]["config"]
    provisioner = LeptonProvisioner(kernel_id="k", kernel_spec=spec, **config)
    assert (provisioner.cluster, provisioner.worker) == ("Lab.1", "tls://a:1")


def test_what_is_withdrawn_is_gone_and_others_stay():
    specs.offer("a", None, "any worker, cpu", HERE)
    specs.offer("a", "0", "worker 0, cpu", HERE)
    specs.offer("a-2", None, "any worker, cpu", HERE)
    specs.withdraw("a", "0")
    assert [one["name"] for one in specs.offered("a")] == ["lepton-a"]
    specs.withdraw_all("a")
    assert [one["name"] for one in specs.offered()] == ["lepton-a-2"]


def test_what_a_dead_host_left_is_cleared():
    specs.offer("gone", None, "any worker, cpu", (HERE[0], HERE[1] - 1000))
    specs.offer("here", None, "any worker, cpu", HERE)
    specs.clear_stale()
    assert [one["cluster"] for one in specs.offered()] == ["here"]
