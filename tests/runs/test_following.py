"""Histories, sparklines and transcripts are read as they grow, nothing twice and nothing lost."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_jlab.runs import transcript
from lepton_jlab.runs.history import HistoryReader, Sparklines, by_step, table
from lepton_jlab.runs.transcript import TranscriptReader, TranscriptWriter


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=400))
def test_a_sparkline_has_few_points_in_order_and_the_last(values):
    sparks = Sparklines()
    for value in values:
        sparks.add({"loss": value, "lr": 0.1})
    drawn = sparks.leading()
    assert drawn["metric"] == "loss"
    assert len(drawn["values"]) <= 30
    assert (drawn["values"][0], drawn["values"][-1]) == (values[0], values[-1])
    rest = iter(values)
    assert all(any(value == one for one in rest) for value in drawn["values"])


def test_there_is_no_sparkline_before_there_is_a_score():
    sparks = Sparklines()
    sparks.add({"lr": 0.1})
    assert sparks.leading() is None
    sparks.add({"accuracy": 0.5})
    assert sparks.leading() == {"metric": "accuracy", "values": [0.5]}


def test_a_history_is_read_as_it_grows(tmp_path):
    reader = HistoryReader(tmp_path)
    assert reader.new() == []
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1, "loss": 3}\n{"step": 2, "lo')
    assert reader.new() == [{"step": 1, "loss": 3}]
    with path.open("a") as file:
        file.write('ss": 2}\n{"step": 2, "val_loss": 4}\n')
    assert by_step(reader.new()) == [{"step": 2, "loss": 2, "val_loss": 4}]
    other = HistoryReader(tmp_path)
    assert len(other.new(reader.offset)) == 3


@pytest.mark.parametrize("count", [2, 3, 999, 2000])
def test_a_thinned_table_keeps_the_first_and_the_last(count):
    rows = [{"step": i} for i in range(1000)]
    kept = [row[0] for row in table(rows, count)["rows"]]
    assert len(kept) == min(count, 1000)
    assert (kept[0], kept[-1]) == (0, 999)
    assert kept == sorted(set(kept))


def test_a_transcript_is_read_as_it_grows_also_over_dropped_parts(tmp_path):
    writer = TranscriptWriter(tmp_path, 4000)
    reader = TranscriptReader(tmp_path)
    whole: list[dict] = []
    for i in range(200):
        writer.append([{"type": "text", "stream": "stdout", "text": f"{i} " + "x" * 30}])
        whole += reader.new()
        assert reader.new() == []
    assert [m["seq"] for m in whole] == list(range(200))  # who follows misses nothing
    late = TranscriptReader(tmp_path)
    assert late.new() == transcript.read(tmp_path)
    slow = TranscriptReader(tmp_path, 5)
    first = slow.new()
    assert first[0]["seq"] == 5
    for _ in range(100):
        writer.append([{"type": "text", "stream": "stdout", "text": "y" * 60}])
    rest = slow.new()
    assert rest[-1]["seq"] == 299
    assert "were not kept" in rest[0]["text"]  # it was too slow, and is told so


def test_a_part_of_a_transcript_is_read_without_the_rest(tmp_path):
    writer = TranscriptWriter(tmp_path, 10**6)
    writer.append({"type": "text", "stream": "stdout", "text": str(i)} for i in range(50))
    assert [m["seq"] for m in transcript.read(tmp_path, 20, 3)] == [20, 21, 22]
    assert json.loads((tmp_path / "output.jsonl").read_text().splitlines()[0])["seq"] == 0
