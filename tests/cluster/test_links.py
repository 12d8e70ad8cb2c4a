"""Links between places: the model, the table, and which versions of Dask are corrected."""

from __future__ import annotations

import pytest

from lepton_jlab.cluster.links import Link, LinkTable, steering


def test_a_transfer_takes_round_trips_and_bytes_over_goodput():
    link = Link(rtt=0.04, goodput=1.25e6, measured=0.0)
    assert link.seconds(0) == pytest.approx(0.04)
    assert link.seconds(0, trips=3) == pytest.approx(0.12)
    # 50 kB may be under way: the window of 14.6 kB doubles 1.8 times until then.
    assert link.seconds(4_000_000) == pytest.approx(4_000_000 / 1.25e6 + 0.04 * 2.775, rel=1e-3)
    twice = Link(rtt=0.04, goodput=2.5e6, measured=0.0)
    assert twice.latency(4_000_000) > link.latency(4_000_000)  # more to find out
    assert twice.seconds(4_000_000) < link.seconds(4_000_000)


def test_real_transfers_change_what_a_probe_found():
    table = LinkTable()
    table.moved("edge", "cloud", 10_000_000, 20.0)  # never probed: nothing to correct
    assert table.get("edge", "cloud") is None
    table.probed("edge", "cloud", 0.04, 1e6)
    table.moved("edge", "cloud", 10_000_000, 20.0)
    slower = table.get("edge", "cloud")
    assert 5e5 < slower.goodput < 1e6
    table.moved("edge", "cloud", 1_000, 1.0)  # too little to tell of bandwidth
    assert table.get("edge", "cloud") == slower
    assert table.get("cloud", "edge") is None  # each direction on its own
    [told] = table.document()
    assert told["moved"] == 20_001_000
    assert not table.stale("edge", "cloud", 60)
    assert table.stale("cloud", "edge", 60)


def test_an_unknown_version_of_dask_is_left_alone_with_one_warning(monkeypatch, caplog):
    assert steering.refusal() is None
    monkeypatch.setattr("distributed.__version__", "2031.1.0")
    assert "2031.1.0" in steering.refusal()
    assert len(caplog.records) == 1
