"""Scheduler and workers made through Kubernetes' API, of which there is only a double here."""

from __future__ import annotations

import pytest
from conditions import wait_until
from kubernetes import running_double

import lepton_jlab as lepton
from lepton_jlab.errors import ClusterError, UsageError

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("light")]


@pytest.fixture
def double(tmp_path, monkeypatch):
    pytest.importorskip("kr8s")
    pytest.importorskip("aiohttp")
    with running_double(tmp_path) as (config, double):
        monkeypatch.setenv("KUBECONFIG", str(config))
        yield double


def test_start_run_scale_stop(double):
    cluster = lepton.start_cluster("pods", engine="kubernetes", image="lepton:1", memory="512MiB")
    try:
        info = cluster.info()
        assert (info["engine"], info["wanted"]) == ("kubernetes", 1)
        assert info["address"].startswith("tls://127.0.0.1:")
        code = "y = n * 2\nprint('there')"
        run = lepton.submit(code, namespace={"n": 21}, pull=["y"], cluster="pods").wait(60)
        assert (run.state, run.output, run.values["y"]) == ("done", "there\n", 42), run.error
        cluster.scale(2)
        wait_until(lambda: len(cluster.info()["workers"]) == 2, 60, "the second worker")
        held = lepton.submit("import time\ntime.sleep(60)", cluster="pods")
        wait_until(lambda: held.state == "running", 30, "a run")
        assert len(cluster.scale(1)["workers"]) == 1
        assert len([name for plural, name in double.objects if plural == "deployments"]) == 1
        assert held.state == "running"
        held.cancel(force=True)
    finally:
        cluster.stop(force=True)
    assert not [name for plural, name in double.objects if plural == "daskclusters"]
    assert not double.processes


def test_without_kubernetes_the_error_names_it(tmp_path, monkeypatch):
    pytest.importorskip("kr8s")
    with pytest.raises(UsageError, match="needs --image"):
        lepton.start_cluster("pods", engine="kubernetes")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(ClusterError, match="Kubernetes cannot be reached"):
        lepton.start_cluster("pods", engine="kubernetes", image="lepton:1")
