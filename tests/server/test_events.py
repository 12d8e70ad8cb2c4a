"""What a page sees over its one websocket, from the first frame on, whatever happens meanwhile."""

from __future__ import annotations

import json

import psutil
import pytest
import websocket
from conditions import wait_until

import lepton_jlab as lepton

from .conftest import Page, Server, start_server

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def two(light, cluster):
    """A cluster of two workers that need no TensorFlow."""
    return cluster


def test_each_topic_begins_with_its_whole_state(server: Server, page: Page):
    wait_until(lambda: server.get("resources")["t"])
    page.subscribe("clusters", "runs", "resources", "tasks")
    found = {}
    while len(found) < 4:
        message = page.next()
        found.setdefault(message["topic"], message["data"])
    assert wait_until(lambda: found["clusters"] == server.get("clusters"))
    assert found["runs"]["full"] is True
    assert found["runs"]["counts"] == server.get("runs")["counts"]
    assert found["resources"]["history"]["series"]["host.cpu"]
    assert "tasks" in found["tasks"]


def test_a_cluster_is_started_seen_scaled_and_stopped(server: Server, page: Page):
    page.subscribe("clusters", "tasks")

    def named(data):
        return {one["name"]: one for one in data["clusters"]}

    body = {"name": "shown", "workers": 1, "threads": 1, "engine": "local"}
    begun = server.call("POST", "clusters", body)
    told = page.until("tasks", lambda d: any(t["text"] for t in d["tasks"]))
    assert told["tasks"][-1]["kind"] == "cluster start"
    shown = page.until("clusters", lambda d: named(d).get("shown", {}).get("state") == "running")
    assert len(named(shown)["shown"]["workers"]) == 1
    assert server.done(begun)["result"]["name"] == "shown"
    assert "cluster use shown" in server.get("clusters/shown/code")["code"]
    scaled = server.call("POST", "clusters/shown/scale", {"workers": 2}).document
    assert len(scaled["workers"]) == 2
    page.until("clusters", lambda d: len(named(d)["shown"]["workers"]) == 2)
    again = server.done(server.call("POST", "clusters", body))
    assert (again["state"], again["error"]["kind"]) == ("failed", "ClusterError")
    assert server.call("DELETE", "clusters/shown").status == 204
    page.until("clusters", lambda d: "shown" not in named(d))


def test_a_run_is_seen_live_whole_and_without_doubles(server: Server, page: Page, two):
    page.subscribe("runs")
    page.until("runs")
    run = lepton.submit(
        "import time, lepton_jlab as l\n"
        "for i in range(40):\n    l.log(loss=1 / (i + 1)); print('line', i); time.sleep(0.03)",
        cluster=two.name,
    )
    page.subscribe(f"run/{run.id}")
    late = server.connect()
    rows, messages, states = [], [], []
    late_rows = late_messages = None

    def take(data, rows, messages):
        if data["full"]:
            rows.clear(), messages.clear()
        columns = data["history"]["columns"]
        rows += [dict(zip(columns, row, strict=True)) for row in data["history"]["rows"]]
        messages += data["messages"]

    while "done" not in states:
        data = page.until(f"run/{run.id}")
        take(data, rows, messages)
        states.append(data["run"]["state"])
        if late_rows is None and len(rows) > 5:  # another page comes in the middle
            late.subscribe(f"run/{run.id}")
            late_rows, late_messages = [], []
    while True:
        data = late.until(f"run/{run.id}")
        take(data, late_rows, late_messages)
        if data["run"]["state"] == "done":
            break
    late.close()
    for seen, said in ((rows, messages), (late_rows, late_messages)):
        assert [row["step"] for row in seen] == sorted({row["step"] for row in seen})
        assert len(seen) == 40
        assert [m["seq"] for m in said] == list(range(len(said)))
        assert "".join(m["text"] for m in said) == run.output
    summary = page.until("runs", lambda d: any(r["state"] == "done" for r in d["runs"]))
    [shown] = [r for r in summary["runs"] if r["id"] == run.id]
    assert shown["spark_metric"] == "loss"
    assert shown["spark"][0] == 1.0
    assert shown["spark"][-1] == pytest.approx(1 / 40)


def test_a_run_that_a_stopped_cluster_ends_is_seen_ended(server: Server, page: Page):
    server.done(server.call("POST", "clusters", {"name": "brief", "workers": 1, "engine": "local"}))
    run = lepton.submit("import time; time.sleep(60)", cluster="brief")
    page.subscribe("runs")

    def seen(state):
        return lambda data: any((r["id"], r["state"]) == (run.id, state) for r in data["runs"])

    page.until("runs", seen("running"))
    refused = server.call("DELETE", "clusters/brief")
    assert (refused.status, refused.document["error"]["forcible"]) == (409, True)
    assert server.call("DELETE", "clusters/brief?force=1").status == 204
    page.until("runs", seen("cancelled"))


def test_unknown_topics_and_nonsense_are_answered_in_words(page: Page):
    for sent, answer in (
        ('{"subscribe": ["../etc"]}', "There is no topic '../etc'."),
        ('{"subscribe": [{"a": 1}]}', "There is no topic"),
        ("[1]", "Send"),
        ("not json", "Send"),
        ('{"subscribe": ["run/r999999"]}', "No run named 'r999999'"),
    ):
        page.socket.send(sent)
        assert answer in page.until("error")["message"]
    page.socket.send(json.dumps({"subscribe": [f"run/r{n}" for n in range(900, 1000)]}))
    page.until("error", lambda data: "64 topics at most" in data["message"])


def test_what_is_unsubscribed_is_not_sent(server: Server, page: Page):
    page.subscribe("resources")
    page.until("resources", lambda data: "sample" in data)
    page.unsubscribe("resources")
    page.subscribe("tasks")
    page.until("tasks")
    page.socket.settimeout(2.5)  # more than two samples later
    with pytest.raises(websocket.WebSocketTimeoutException):
        page.until("resources")


def test_after_a_restart_of_the_server_everything_comes_back(tmp_path, two):
    run = lepton.submit("print('kept')", cluster=two.name).wait()
    for _ in range(2):
        for server in start_server(tmp_path, {}):
            page = server.connect()
            page.subscribe("clusters", "runs", f"run/{run.id}")
            clusters = page.until("clusters", lambda d: d["clusters"])
            assert two.name in {c["name"] for c in clusters["clusters"]}
            data = page.until(f"run/{run.id}")
            assert data["messages"][0]["text"] == "kept\n"
            page.close()


def test_a_page_that_reads_nothing_costs_little_and_then_gets_the_state(server: Server, two):
    import socket as sockets

    slow = Page(server, sockopt=[(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)])
    run = lepton.submit(
        "for i in range(60):\n    print('x' * 200_000)\n    import time; time.sleep(0.05)",
        cluster=two.name,
    )
    slow.subscribe("runs", "resources", f"run/{run.id}")
    process = psutil.Process(server.pid)
    before = process.memory_info().rss
    quick = server.connect()
    quick.subscribe(f"run/{run.id}")
    quick.until(f"run/{run.id}", lambda d: d["run"]["state"] == "done")
    quick.close()
    assert process.memory_info().rss - before < 60e6  # 12 MB were printed
    data = slow.until(f"run/{run.id}", lambda d: d["run"]["state"] == "done")
    last = data["messages"][-1]["seq"] if data["messages"] else None
    assert last is None or last == run.messages()[-1]["seq"]
    slow.close()


def test_hosts_are_asked_only_while_somebody_listens(two):
    from lepton_jlab.server.watch import RunsWatch

    watch = RunsWatch()
    heard: set[str] = set()
    watch.add(heard.update)
    run = lepton.submit("1 + 1", cluster=two.name)
    wait_until(lambda: run.id in heard)
    thread = watch._thread
    watch.remove(heard.update)
    wait_until(lambda: not thread.is_alive())
    watch.add(heard.update)  # and again
    again = lepton.submit("1 + 1", cluster=two.name)
    wait_until(lambda: again.id in heard)
    watch.remove(heard.update)
