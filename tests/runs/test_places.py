"""Runs at two places that a slow link joins: measured, predicted, chosen, told."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from conditions import wait_until
from distributed import Client
from links import slow_link  # noqa: F401 (a fixture)
from places import edge_and_cloud

import lepton_jlab as lepton
from lepton_jlab.cluster.links import HOST, LinkTable
from lepton_jlab.errors import UsageError
from lepton_jlab.parsing import parse
from lepton_jlab.runs.capture import Captured
from lepton_jlab.runs.capture.datasets import addresses
from lepton_jlab.runs.lines import Lines
from lepton_jlab.runs.placing import Data, Payload, Work, predict
from lepton_jlab.runs.timings import Timings
from lepton_jlab.runs.views.why import why_html, why_text

CODE = "digest of a code"


@pytest.fixture
def timings(no_records) -> Timings:
    return Timings()


@pytest.fixture
def table() -> LinkTable:
    made = LinkTable()
    made.probed(HOST, "cloud", 0.001, 1e9)
    made.probed(HOST, "edge", 0.04, 1e6)
    made.probed("edge", "cloud", 0.04, 1e6)
    return made


def at(place: str, work: Work, table: LinkTable, timings: Timings, held=(), queue: float = 0.0):
    return predict(work, {}, place, queue=queue, table=table, timings=timings, held=set(held))


def test_a_prediction_is_the_sum_of_its_terms(table, timings):
    work = Work(CODE, payloads=[Payload("a", 8_000_000, 4_000_000)])
    timings.note(CODE, {}, "edge", 2.0)
    edge = at("edge", work, table, timings, queue=5.0)
    assert edge.transfer == pytest.approx(4.0)  # compressed bytes, for the link is slow
    assert edge.decode > 0
    assert edge.compute == 2.0
    assert edge.measured
    parts = edge.latency + edge.transfer + edge.compute + edge.decode
    assert edge.total == pytest.approx(5.0 + parts)
    cloud = at("cloud", work, table, timings)
    assert cloud.size == 8_000_000  # not worth compressing
    assert cloud.compute == 2.0  # no run there yet: as at the edge


def test_what_is_there_already_counts_nothing(table, timings):
    work = Work(CODE, payloads=[Payload("a", 8_000_000, 4_000_000)])
    assert at("edge", work, table, timings, held={"a"}).size == 0
    lies_there = Work(CODE, data=[Data("/d.zarr", 3_000_000, frozenset({"edge"}))])
    assert at("edge", lies_there, table, timings).transfer == 0
    assert at("cloud", lies_there, table, timings).obstacle == "no worker there can read /d.zarr"
    travels = Work(CODE, data=[Data("s3://b/d.zarr", 3_000_000, frozenset({"edge"}))])
    assert at("cloud", travels, table, timings).transfer == pytest.approx(3.0)
    assert at("edge", travels, table, timings).transfer == 0
    anywhere = Work(CODE, data=[Data("s3://b/d.zarr", 3_000_000, None)])
    assert at("cloud", anywhere, table, timings).transfer == 0


def test_a_path_binds_a_run_to_the_places_that_can_read_it():
    places = ["cloud", "edge", "hall"]
    here = Data("/here.zarr", 1, frozenset({"edge", "hall"}))
    there = Data("/there.zarr", 1, frozenset({"cloud"}))
    url = Data("s3://b/d.zarr", 1, frozenset({"cloud"}))
    unknown = Data("/not/written/yet.zarr", 0, None)
    assert Work(CODE, data=[here, url, unknown]).readable(places) == ["edge", "hall"]
    assert Work(CODE, data=[url, unknown]).readable(places) == places
    assert Work(CODE, data=[here, there]).readable(places) == []


def test_places_are_compared_by_what_ran_at_both(timings):
    timings.note(CODE, {}, "edge", 4.0)
    timings.note(CODE, {}, "cloud", 1.0)
    timings.note("other", {"n": 1}, "edge", 8.0)
    assert timings.seconds("other", {"n": 1}, "edge") == (8.0, True)
    assert timings.seconds("other", {"n": 1}, "cloud") == (pytest.approx(2.0), True)
    assert timings.seconds("other", {"n": 2}, "edge") == (8.0, True)  # whatever the parameters
    assert timings.seconds("never run", {}, "edge")[1] is False


@pytest.mark.parametrize("place", ["auto", "edge", "hall 7"])
def test_any_label_can_be_asked_for(place):
    assert parse(["run", "--place", place], "cell").place == place


def test_each_place_has_a_line():
    lines, work = Lines(), Work(CODE)
    first, second, third = (
        SimpleNamespace(place=p, work=work, number=n) for n, p in enumerate(("edge", "edge", None))
    )
    for entry in (first, second, third):
        lines.add(entry)
    assert len(lines) == 3
    assert lines.works("edge")[work] == 2
    assert lines.next("edge") is first
    lines.put_back(first)
    lines.move(second, "cloud")
    assert dict(lines) == {None: deque([third]), "edge": deque([first]), "cloud": deque([second])}
    lines.remove(first)
    assert not lines.works("edge")


def test_a_cell_tells_which_datasets_it_opens(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = "ds = lepton.open_dataset('d.zarr')\nother = open_dataset('s3://b/e.zarr', cache=0)"
    assert addresses(code, Captured(), {}) == [f"{tmp_path}/d.zarr", "s3://b/e.zarr"]
    assert addresses("%lepton data info open_dataset(", Captured(), {}) == []


# -- with real workers behind a real (emulated) link


@pytest.fixture(scope="module")
def two(slow_link, light, tmp_path_factory) -> Iterator[lepton.Cluster]:  # noqa: F811
    with edge_and_cloud(slow_link, tmp_path_factory.mktemp("dask")) as address:
        cluster = lepton.start_cluster("two", engine=address, idle_timeout="5 min")
        try:
            wait_until(lambda: links(cluster)["steering"] == "on", 60, "measured links")
            yield cluster
        finally:
            cluster.stop(force=True)
        with Client(address) as client:  # whose it is finds it as it was
            assert not steered(client)


def steered(client: Client) -> bool:
    return client.run_on_scheduler(lambda dask_scheduler: "get_comm_cost" in vars(dask_scheduler))


def links(cluster: lepton.Cluster) -> dict:
    return cluster.channel.call("links")


@pytest.mark.integration
def test_links_are_measured(two, slow_link):  # noqa: F811
    document = links(two)
    assert document["places"] == [{"label": "cloud", "workers": 1}, {"label": "edge", "workers": 1}]
    found = {(link["from"], link["to"]): link for link in document["links"]}
    assert set(found) == {("host", "cloud"), ("host", "edge"), ("cloud", "edge"), ("edge", "cloud")}
    slow = found["edge", "cloud"]
    assert slow["rtt"] >= slow_link.rtt
    assert slow["goodput"] < 1.1 * slow_link.rate  # nobody is quicker than the link
    assert found["host", "cloud"]["goodput"] > slow["goodput"]


@pytest.mark.integration
def test_runs_go_where_they_are_sent_and_nowhere_else(two):
    with pytest.raises(UsageError, match=r"no workers there\. Its places: cloud, edge"):
        lepton.submit("1", place="moon", cluster="two")
    import os

    code = "import os; print(os.environ['LEPTON_PLACE'])"
    assert "LEPTON_PLACE" not in os.environ
    for place in ("edge", "cloud"):
        run = lepton.submit(code, place=place, cluster="two").wait(60)
        assert (run.state, run.output) == ("done", f"{place}\n")
        assert run.to_dict()["placement"]["asked"] == place


@pytest.mark.integration
def test_a_run_goes_where_it_ends_first_and_says_why(two):
    import numpy as np

    numbers = np.random.default_rng(0).integers(0, 256, 2_000_000, dtype="u1")
    code = "total = int(numbers.sum())"
    first = lepton.submit(code, namespace={"numbers": numbers}, cluster="two").wait(60)
    again = lepton.submit(code, namespace={"numbers": numbers}, cluster="two").wait(60)
    for run in (first, again):
        document = run.to_dict()["placement"]
        assert document["label"] == "cloud"  # the host, which has the numbers, is there
        edge = next(c for c in document["candidates"] if c["place"] == "edge")
        assert edge["transfer"] > 1.0
        assert document["actual"]["total"] > 0
    assert (first.to_dict()["placement"]["measured"], document["measured"]) == (False, True)
    text = why_text(again.to_dict())
    assert text.startswith("why cloud? soonest there; predicted ")
    assert "prediction" in text
    assert "<table>" in why_html(again.to_dict())
    assert json.dumps(document)


@pytest.mark.integration
def test_a_run_goes_where_the_path_of_its_dataset_can_be_read(two, tmp_path):
    # The edge has temporary files of its own: this path is on its disk alone.
    path = tmp_path / "edge.zarr"
    write = (
        "import os, numpy as np, lepton_jlab as lepton\n"
        f"os.makedirs({str(tmp_path)!r})\n"
        f"lepton.import_dataset({{'x': np.arange(1000)}}, {str(path)!r})"
    )
    read = f"import lepton_jlab as lepton\nn = len(lepton.open_dataset({str(path)!r}))"
    early = lepton.submit(read, cluster="two").wait(60)  # nobody knows where it will be
    assert (early.state, str(path) in early.error["message"]) == ("failed", True), early.error
    written = lepton.submit(write, place="edge", cluster="two").wait(60)
    assert written.state == "done", written.error
    assert not path.exists()
    run = lepton.submit(read, cluster="two", pull=["n"]).wait(60)
    assert (run.state, run.values["n"]) == ("done", 1000), run.error
    document = run.to_dict()["placement"]
    assert (document["label"], document["asked"]) == ("edge", "auto")
    obstacles = {c["place"]: c["obstacle"] for c in document["candidates"]}
    assert obstacles == {"edge": None, "cloud": f"no worker there can read {path}"}
    assert f"no worker there can read {path}" in why_text(run.to_dict())
    refused = rf"--place cloud: no worker there can read {path}, which is at edge\. Send the run"
    with pytest.raises(UsageError, match=refused):
        lepton.submit(read, place="cloud", cluster="two")
    here = lepton.import_dataset({"x": range(10)}, tmp_path / "cloud.zarr")
    both = f"{read} + len(lepton.open_dataset({str(here.path)!r}))"
    with pytest.raises(UsageError, match=r"No place can read all datasets .* at edge, .* at cloud"):
        lepton.submit(both, cluster="two")


@pytest.mark.integration
def test_where_a_payload_was_brought_it_counts_nothing(two):
    numbers = bytes(range(256)) * 2000
    code = "total = sum(numbers)"
    sent = lepton.submit(code, namespace={"numbers": numbers}, place="edge", cluster="two")
    assert sent.wait(60).state == "done"
    again = lepton.submit(code, namespace={"numbers": numbers}, place="edge", cluster="two")
    sizes = [
        next(c["size"] for c in run.to_dict()["placement"]["candidates"] if c["place"] == "edge")
        for run in (sent, again.wait(60))
    ]
    assert 0 < sizes[0] < len(numbers)  # compressed
    assert sizes[1] == 0


@pytest.mark.integration
def test_dask_compares_by_the_link_while_the_cluster_is_adopted(two):
    def cost(dask_scheduler):
        from types import SimpleNamespace

        workers = {str(w.name): w for w in dask_scheduler.workers.values()}
        value = SimpleNamespace(who_has={workers["w-edge-0"]}, get_nbytes=lambda: 4_000_000)
        prefix = SimpleNamespace(duration_average=0.05, max_exec_time=0)
        task = SimpleNamespace(dependencies=[value], prefix=prefix)
        return [dask_scheduler.get_comm_cost(task, workers[f"w-{p}-0"]) for p in ("edge", "cloud")]

    with two.client() as client:
        assert steered(client)
        near, far = client.run_on_scheduler(cost)
    assert near == 0
    assert far > 4_000_000 / 1.25e6
