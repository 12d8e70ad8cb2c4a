"""A cluster of a real Dask Gateway on this machine, with its backend of local processes."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from conditions import family, wait_gone, wait_until
from sshd import free_port

import lepton_jlab as lepton
from lepton_jlab.errors import ClusterError, UsageError

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("light")]

CONFIG = """
c.DaskGateway.backend_class = "dask_gateway_server.backends.local.UnsafeLocalBackend"
c.DaskGateway.authenticator_class = "dask_gateway_server.auth.SimpleAuthenticator"
c.SimpleAuthenticator.password = "open"
c.DaskGateway.address = "127.0.0.1:{api}"
c.Proxy.address = "127.0.0.1:{proxy}"
c.UnsafeLocalBackend.clusters_directory = "{folder}"
c.ClusterConfig.scheduler_cmd = ["{python}", "-m", "distributed.cli.dask_scheduler"]
c.ClusterConfig.worker_cmd = ["{python}", "-m", "distributed.cli.dask_worker"]
from dask_gateway_server.options import Options, Float
c.Backend.cluster_options = Options(
    Float("worker_memory", default=1, min=0.25, max=2),
    handler=lambda options: {{"worker_memory": f"{{options.worker_memory}} G"}},
)
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    """The address of a gateway, whose password is in Dask's configuration."""
    pytest.importorskip("dask_gateway")
    pytest.importorskip("dask_gateway_server")
    pytest.importorskip("sqlalchemy")
    folder = tmp_path_factory.mktemp("gateway")
    proxy = free_port()
    (folder / "config.py").write_text(
        CONFIG.format(
            api=free_port(), proxy=proxy, folder=folder / "clusters", python=sys.executable
        )
    )
    (folder / "clusters").mkdir()
    code = Path(lepton.__file__).parent.parent
    environment = {**os.environ, "PYTHONPATH": str(code)}
    command = [sys.executable, "-m", "dask_gateway_server", "-f", str(folder / "config.py")]
    patch = pytest.MonkeyPatch()
    patch.setenv("DASK_GATEWAY__AUTH__KWARGS", "{'password': 'open'}")
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log, env=environment) as server,
    ):
        address = f"http://127.0.0.1:{proxy}"
        try:
            wait_until(lambda: _answers(address) or server.poll() is not None, 60)
            if server.poll() is not None:
                pytest.skip(f"no gateway runs here: {(folder / 'log').read_text()[-500:]}")
            yield address, server.pid
        finally:
            server.terminate()
            patch.undo()


def _answers(address: str) -> bool:
    try:
        urllib.request.urlopen(f"{address}/api/version", timeout=1)
    except urllib.error.HTTPError as error:
        return error.code == 401
    except OSError:
        return False
    return True


def test_start_run_scale_stop(gateway):
    address, pid = gateway
    before = {process.pid for process in family(pid)}
    cluster = lepton.start_cluster(gateway=address, auth="basic", memory="512MiB")
    try:
        info = cluster.info()
        assert (info["name"], info["engine"], info["wanted"]) == ("gateway", "gateway", 1)
        assert info["address"].startswith("gateway://127.0.0.1:")
        code = "import os\ny = [os.environ['DASK_GATEWAY_CLUSTER_NAME'], n * 2]\nprint('there')"
        run = lepton.submit(code, namespace={"n": 21}, pull=["y"], cluster="gateway").wait(60)
        assert (run.state, run.output) == ("done", "there\n"), run.error
        assert run.values["y"] == [info["address"].rpartition("/")[2], 42]
        assert cluster.info()["workers"][0]["memory"] == 512 * 2**20
        with cluster.client() as client:
            assert client.submit(sum, [1, 2]).result(timeout=30) == 3
        cluster.scale(2)
        wait_until(lambda: len(cluster.info()["workers"]) == 2, 60, "the second worker")
        assert len(cluster.scale(1)["workers"]) == 1
        assert lepton.submit("print(1)", cluster="gateway").wait(60).output == "1\n"
        started = {process.pid for process in family(pid)} - before
        assert started
    finally:
        cluster.stop(force=True)
    wait_gone(started)


def test_what_the_gateway_refuses_is_one_clear_error(gateway, monkeypatch):
    address, _ = gateway
    with pytest.raises(UsageError, match=r"--threads: this gateway lets its users choose worker_m"):
        lepton.start_cluster(gateway=address, auth="basic", threads=2)
    with pytest.raises(UsageError, match=r"--memory .* must be <= 2"):
        lepton.start_cluster(gateway=address, auth="basic", memory="8GiB")
    monkeypatch.setenv("DASK_GATEWAY__AUTH__KWARGS", "{'password': 'wrong'}")
    with pytest.raises(ClusterError, match=r"does not do it: .*\. Check --gateway, and --auth"):
        lepton.start_cluster(gateway=address, auth="basic")
    with pytest.raises(ClusterError, match="does not do it"):
        lepton.start_cluster(gateway=f"http://127.0.0.1:{free_port()}")
