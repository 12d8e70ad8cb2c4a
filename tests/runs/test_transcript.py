"""A run's output on disk: everything up to a size, then head and tail with a notice."""

from __future__ import annotations

import pytest

from lepton_jlab.runs.transcript import TranscriptWriter, read, read_tail, text_of


def said(words: str) -> dict[str, str]:
    return {"type": "text", "stream": "stdout", "text": words}


def size_of(folder) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def test_what_fits_is_complete_and_numbered(tmp_path):
    writer = TranscriptWriter(tmp_path, 10_000)
    writer.append([said("a"), said("b")])
    writer.append([said("ü\r\n")])
    assert [(m["seq"], m["text"]) for m in read(tmp_path)] == [(0, "a"), (1, "b"), (2, "ü\r\n")]
    assert [m["seq"] for m in read(tmp_path, start=1)] == [1, 2]


@pytest.mark.parametrize("lines", [40, 100, 1000])
def test_too_much_leaves_head_and_tail_with_a_notice_between(tmp_path, lines):
    limit = 2000
    writer = TranscriptWriter(tmp_path, limit)
    for n in range(lines):
        writer.append([said(f"line {n}\n")])
    assert size_of(tmp_path) <= limit
    shown = text_of(read(tmp_path)).splitlines()
    notice = next(i for i, line in enumerate(shown) if "were not kept" in line)
    head, tail = shown[: notice - 1], shown[notice + 1 :]
    assert head == [f"line {n}" for n in range(len(head))]
    assert tail == [f"line {n}" for n in range(lines - len(tail), lines)]
    assert len(head) > 5
    assert len(tail) > 3
    assert f"{lines - len(head) - len(tail):,} blocks" in shown[notice]


def test_the_tail_is_read_by_size_and_by_whole_messages(tmp_path):
    writer = TranscriptWriter(tmp_path, 100_000)
    for n in range(100):
        writer.append([said(f"line {n}\n")])
    last = read_tail(tmp_path, 300)
    assert 1 < len(last) < 10
    assert text_of(last).endswith("line 98\nline 99\n")
    assert read_tail(tmp_path, 10**9) == read(tmp_path)


def test_the_tail_spans_files(tmp_path):
    writer = TranscriptWriter(tmp_path, 2000)
    for n in range(60):
        writer.append([said(f"line {n}\n")])
    tail = read_tail(tmp_path, 800)
    numbers = [m["seq"] for m in tail]
    assert numbers == list(range(numbers[0], 60))


def test_a_line_being_written_is_left_out(tmp_path):
    TranscriptWriter(tmp_path, 10_000).append([said("whole")])
    with (tmp_path / "output.jsonl").open("a") as file:
        file.write('{"seq": 1, "type": "te')
    assert text_of(read(tmp_path)) == "whole"


def test_a_run_that_said_nothing_has_nothing_to_show(tmp_path):
    assert read(tmp_path) == []
    assert read_tail(tmp_path, 100) == []


def test_displays_and_errors_have_a_plain_form():
    messages = [
        said("before\n"),
        {"type": "display", "data": {"text/plain": "<Figure>", "image/png": "…"}},
        {"type": "clear", "wait": False},
        {"type": "error", "traceback": ["Traceback", "ValueError: no"]},
    ]
    assert text_of(messages) == "before\n<Figure>\nTraceback\nValueError: no\n"
