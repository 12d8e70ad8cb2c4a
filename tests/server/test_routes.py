"""What the routes do, each a view on the Python API: datasets, runs, figures, Dask's pages."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import requests
import websocket
from conditions import wait_until

import lepton_jlab as lepton

from .conftest import Server

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def pictures(server: Server) -> str:
    """A dataset of small pictures with labels below the root, imported by REST."""
    random = np.random.default_rng(0)
    x = random.integers(0, 255, (300, 12, 12), np.uint8)
    np.savez(server.root / "pictures.npz", x=x, y=np.arange(300) % 3)
    body = {"source": "pictures.npz", "path": "pictures.zarr", "chunk": 64}
    task = server.done(server.call("POST", "datasets", body))
    assert task["state"] == "done", task
    assert (task["progress"], task["result"]["samples"]) == (1.0, 300)
    assert task["result"]["path"] == "pictures.zarr"
    return "pictures.zarr"


def test_an_imported_dataset_is_listed_described_and_previewed(server, pictures):
    [row] = [r for r in server.get("datasets")["datasets"] if r["path"] == pictures]
    assert (row["samples"], row["error"], row["place"]) == (300, None, "warm")
    info = server.get(f"datasets/info?path={pictures}")
    assert {a["name"]: a["shape"] for a in info["arrays"]} == {"x": [300, 12, 12], "y": [300]}
    preview = server.get(f"datasets/preview?path={pictures}&start=298&count=5")
    assert preview["kind"] == "image"
    assert [(s["index"], s["label"]) for s in preview["samples"]] == [(298, "1"), (299, "2")]
    head, _, data = preview["samples"][0]["image"].partition(",")
    assert head == "data:image/png;base64"
    assert base64.b64decode(data)[:4] == b"\x89PNG"


def test_tables_vectors_and_text_are_previewed_too(server):
    (server.root / "rows.csv").write_text("a,b,label\n1,2.5,x\n3,4.5,y\n")
    np.savez(server.root / "vectors.npz", x=np.eye(4, dtype="f4"), y=np.arange(4))
    np.savez(server.root / "columns.npz", height=np.ones(3), name=np.array(["a", "b", "c"]))
    np.savez(server.root / "words.npz", x=np.array(["one", "two"]))
    for source, kind in (
        ("rows.csv", "vector"),
        ("columns.npz", "table"),
        ("vectors.npz", "vector"),
        ("words.npz", "text"),
    ):
        path = source.partition(".")[0] + ".zarr"
        assert server.done(server.call("POST", "datasets", {"source": source, "path": path}))
        found = server.get(f"datasets/preview?path={path}")
        assert found["kind"] == kind, found
        assert all(s["text"] and s["image"] is None for s in found["samples"])


def test_what_exists_is_replaced_only_when_forced(server, pictures):
    body = {"source": "pictures.npz", "path": pictures}
    task = server.done(server.call("POST", "datasets", body))
    assert (task["state"], task["error"]["forcible"]) == ("failed", True)
    assert "exists already" in task["error"]["message"]
    task = server.done(server.call("POST", "datasets", {**body, "force": True, "chunk": 64}))
    assert task["state"] == "done", task


def test_versions_are_made_listed_and_brought_back(server, pictures):
    made = server.done(server.call("POST", "datasets/snapshot", {"path": pictures, "name": "one"}))
    assert made["result"]["name"] == "one"
    listed = server.get(f"datasets/versions?path={pictures}")
    assert [v["name"] for v in listed["versions"]] == ["one"]
    chunk = next((server.root / pictures / "y").rglob("c/0"))
    chunk.unlink()
    checked = server.done(server.call("POST", "datasets/verify", {"path": pictures}))
    assert checked["result"]["ok"] is False
    body = {"path": pictures, "name": "one", "force": True}
    restored = server.done(server.call("POST", "datasets/restore", body))
    assert restored["state"] == "done", restored
    checked = server.done(server.call("POST", "datasets/verify", {"path": pictures}))
    assert checked["result"]["ok"] is True


def test_a_move_to_another_tier_is_tried_and_made(server, pictures):
    body = {"path": pictures, "policy": "cold", "importance": 2, "dry_run": True}
    tried = server.done(server.call("POST", "datasets/tier", body))["result"]
    assert (tried["dataset"]["to"], tried["moved"]) == ("cold", None)
    moved = server.done(server.call("POST", "datasets/tier", {**body, "dry_run": False}))
    assert moved["result"]["moved"]["tier"] == "cold", moved
    assert server.get(f"datasets/info?path={pictures}")["samples"] == 300  # wherever it lies now


def test_a_task_is_cancelled_and_leaves_nothing(server):
    big = np.random.default_rng(0).integers(0, 16, (60_000, 40, 40), np.uint8)
    np.save(server.root / "big.npy", big)
    body = {"source": "big.npy", "path": "big.zarr", "codec": "zstd-19"}
    task = server.call("POST", "datasets", body).document
    wait_until(lambda: list(server.root.glob(".*big.zarr*")), 90, "the writing")
    server.call("DELETE", f"tasks/{task['id']}")
    ended = wait_until(
        lambda: (t := server.get(f"tasks/{task['id']}"))["state"] != "running" and t, 60
    )
    assert (ended["state"], ended["error"]) == ("cancelled", None)
    assert not [path for path in server.root.iterdir() if "big.zarr" in path.name]
    (server.root / "big.npy").unlink()


def test_runs_are_paged_filtered_compared_run_again_and_cancelled(server, cluster):
    code = "import lepton_jlab as l\nl.log(loss=lr)\nprint('by', lr)"
    sweep = lepton.submit(code, sweep={"lr": [0.1, 0.2, 0.3]}, name="paged", cluster=cluster.name)
    sweep.wait()
    found = server.get(f"runs?sweep={sweep.id}&limit=2")
    assert ([r["id"] for r in found["runs"]], found["total"]) == ([sweep[2].id, sweep[1].id], 3)
    rest = server.get(f"runs?sweep={sweep.id}&limit=2&before={sweep[1].id}")
    assert [r["id"] for r in rest["runs"]] == [sweep[0].id]
    assert server.get("runs?query=paged%200.2")["total"] == 1
    assert server.get("runs?query=100%25")["total"] == 0  # no wildcard
    assert server.get("runs?state=failed,lost&query=paged")["total"] == 0
    assert server.call("GET", "runs?state=gone").status == 400
    compared = server.get(f"compare?ids={sweep.id}")
    assert (compared["params"], compared["metrics"]) == (["lr"], ["loss"])
    assert compared["best"] == {"loss": sweep[0].id}
    history = compared["histories"][sweep[1].id]
    assert dict(zip(history["columns"], history["rows"][0], strict=True))["loss"] == 0.2
    again = server.call("POST", f"runs/{sweep.id}/rerun", {})
    assert again.status == 201
    assert [r["params"] for r in again.document["runs"]] == [{"lr": lr} for lr in (0.1, 0.2, 0.3)]
    endless = lepton.submit("import time; time.sleep(90)", cluster=cluster.name)
    wait_until(lambda: endless.state == "running")
    assert server.call("POST", f"runs/{endless.id}/cancel", {}).status == 200
    endless.wait(30)
    assert server.get(f"runs/{endless.id}")["state"] == "cancelled"


def test_long_histories_are_thinned_and_output_comes_in_parts(server, cluster):
    code = (
        "import lepton_jlab as l\nfor i in range(5000):\n    l.log(loss=i)\n"
        "import sys\nfor i in range(50):\n    print(i, flush=True); sys.stderr.write('-')"
    )
    run = lepton.submit(code, cluster=cluster.name).wait()
    history = server.get(f"runs/{run.id}/history")
    place = history["columns"].index("loss")
    assert len(history["rows"]) == 2000
    assert (history["rows"][0][place], history["rows"][-1][place]) == (0, 4999)
    assert len(server.get(f"runs/{run.id}/history?full=1")["rows"]) == 5000
    start, said = 0, ""
    while True:
        part = server.get(f"runs/{run.id}/output?start={start}&limit=7")
        said += "".join(m["text"] for m in part["messages"])
        start = part["next"]
        if not part["more"]:
            break
    assert said == run.output
    tail = server.get(f"runs/{run.id}/output?tail=100")["messages"]
    assert tail[-1]["seq"] == start - 1
    shown = server.get(f"runs/{run.id}")
    assert shown["options"]["retries"] == 0
    assert {"metrics.jsonl", "output.jsonl"} <= {a["name"] for a in shown["artifacts"]}
    assert len(shown["spark"]) <= 30


def test_a_run_names_its_notebook_by_the_path_below_the_root(server, cluster, monkeypatch):
    monkeypatch.setenv("JPY_SESSION_NAME", str(server.root / "deep" / "lab.ipynb"))
    inside = lepton.submit("1", cluster=cluster.name)
    monkeypatch.setenv("JPY_SESSION_NAME", "/elsewhere/lab.ipynb")
    outside = lepton.submit("1", cluster=cluster.name)
    assert server.get(f"runs/{inside.id}")["notebook"] == "deep/lab.ipynb"
    assert server.get(f"runs/{outside.id}")["notebook"] is None
    assert inside.to_dict()["notebook"].endswith("deep/lab.ipynb")


def test_a_worker_is_sampled_with_its_run(server, cluster):
    code = "x = bytearray(60_000_000)\nwhile True:\n    x[0] = 1"
    run = lepton.submit(code, cluster=cluster.name)
    page = server.connect()
    page.subscribe("resources")

    def busy(told: dict[str, Any]) -> bool:
        figures = told.get("sample", {}).get("runs", {}).get(run.id, {})
        return figures.get("cpu", 0) > 5 and figures["memory"] > 50_000_000

    sample = page.until("resources", busy)["sample"]
    page.close()
    run.cancel(force=True)
    [worker] = [w for w in sample["workers"].values() if w["run"] == run.id]
    assert worker["device"] == "cpu"
    assert worker["memory"][0] > sample["runs"][run.id]["memory"]
    assert f"run.{run.id}.cpu" in server.get("resources?seconds=60")["series"]


def test_prometheus_reads_it_all(server, cluster):
    def scraped() -> dict[str, float]:
        headers = {"Authorization": f"token {server.token}"}
        text = requests.get(f"{server.url}metrics", headers=headers, timeout=30).text
        return {
            name: float(value)
            for name, value in re.findall(r"^(lepton_\S+(?:{.*})?) (\S+)$", text, re.MULTILINE)
        }

    wanted = f'lepton_workers{{cluster="{cluster.name}"}}'
    found = wait_until(lambda: (s := scraped()).get(wanted) and s)
    assert found[wanted] == 2
    wait_until(lambda: scraped()["lepton_clusters"] >= 1)
    assert found['lepton_runs{state="done"}'] >= 1
    assert 0 < found["lepton_host_memory_used_bytes"] < found["lepton_host_memory_total_bytes"]


def test_dasks_pages_are_drawn_for_who_is_logged_in_and_for_nobody_else(server, cluster):
    session = server.browser()
    base = f"{server.api}dask/{cluster.name}/"
    assert requests.get(f"{base}status", timeout=30).status_code == 403
    page = session.get(f"{base}status", timeout=60)
    assert page.status_code == 200
    assert "Dask" in page.text
    assert (
        session.get(f"{base}statics/css/base.css", timeout=30).headers["Content-Type"] == "text/css"
    )
    assert session.get(base, timeout=30).url == f"{base}status"
    token = re.search(r'"token":"([^"]+)"', page.text)[1]
    cookie = "; ".join(f"{c.name}={c.value}" for c in session.cookies)
    address = base.replace("http", "ws", 1) + "status/ws"
    options = {"subprotocols": ["bokeh", token], "timeout": 30}
    own = server.url.rstrip("/")
    opened = websocket.create_connection(address, cookie=cookie, origin=own, **options)
    assert "ACK" in opened.recv()
    opened.close()
    with pytest.raises(websocket.WebSocketBadStatusException):
        websocket.create_connection(address, **options)
    host = psutil.Process(cluster.file["pid"])
    sockets = [c for c in host.net_connections("unix") if c.laddr and c.laddr.endswith("dash.sock")]
    assert sockets
    path = Path(sockets[0].laddr)
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0
    for port in {c.laddr.port for c in host.net_connections("tcp") if c.status == "LISTEN"}:
        with pytest.raises(requests.RequestException):  # TLS with a certificate, and no pages
            requests.get(f"http://127.0.0.1:{port}/status", timeout=5)


def test_errors_are_one_sentence_in_one_form(server):
    for method, path, body, status, kind in (
        ("GET", "clusters/nobody", None, 404, "NotFoundError"),
        ("GET", "runs/r999999", None, 404, "NotFoundError"),
        ("GET", "datasets/info?path=nothing.zarr", None, 404, "NotFoundError"),
        ("GET", "datasets/info", None, 400, "UsageError"),
        ("GET", "runs?limit=many", None, 400, "UsageError"),
        ("POST", "clusters", {"workers": "many"}, 400, "UsageError"),
        ("POST", "clusters", {"wrokers": 2}, 400, "UsageError"),
        ("GET", "tasks/t0", None, 404, "NotFoundError"),
        ("GET", "models/nobody", None, 404, "NotFoundError"),
        ("POST", "endpoints/nobody/predict", {}, 400, "UsageError"),
    ):
        answer = server.call(method, path, body)
        assert (answer.status, answer.document["error"]["kind"]) == (status, kind), answer.text
    headers = {"Authorization": f"token {server.token}"}
    got = requests.post(f"{server.api}clusters", "{not json", headers=headers, timeout=30)
    assert (got.status_code, got.json()["error"]["kind"]) == (400, "UsageError")


def test_loading_the_extension_imports_nothing_heavy():
    code = (
        "import sys, jupyter_server.serverapp\nbefore = set(sys.modules)\n"
        "import lepton_jlab.server.app\n"
        "print(*{n.split('.')[0] for n in set(sys.modules) - before})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"numpy", "zarr", "dask", "distributed", "tensorflow", "keras", "pandas", "bokeh"}
    assert not set(done.stdout.split()) & (heavy | {"pynvml", "jsonschema_rs", "IPython"})
    assert os.environ["JUPYTER_DATA_DIR"]
