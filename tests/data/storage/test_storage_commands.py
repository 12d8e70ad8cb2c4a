"""The commands, as a terminal and a notebook give them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import zarr

from lepton_jlab.cli import main
from lepton_jlab.commands import Context, perform
from lepton_jlab.errors import LeptonError
from lepton_jlab.parsing import parse, split


def say(line: str, place: str = "line") -> Any:
    return perform(parse(split(line), place), Context(place))  # type: ignore[arg-type]


def told(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    status = main([*words, "--json"])
    return status, json.loads(capsys.readouterr().out)


def test_a_day_with_versions(dataset: Path) -> None:
    assert "22 chunks" in say(f"data dedup {dataset} -f").text
    assert "No versions yet" in say(f"data versions {dataset}").text
    assert "Version 'first': 25 files" in say(f"data snapshot {dataset} first").text
    array: Any = zarr.open_group(str(dataset), mode="r+")["x"]
    array[5] = 0
    assert say(f"data diff {dataset} first").text == "x: samples: 1 changed (number 5)"
    with pytest.raises(LeptonError, match="in no version"):
        say(f"data restore {dataset} first")
    assert "1 files of the former state" in say(f"data restore {dataset} first -f").text
    assert say(f"data diff {dataset} first").text == "No difference."
    listed = say(f"data versions {dataset}")
    assert "first" in listed.text
    assert "on disk" in listed.text
    assert "<table>" in listed._repr_html_()
    assert "Dropped 'first'" in say(f"data drop {dataset} first").text


def test_documents(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(dataset)
    status, made = told(capsys, "data", "snapshot", path, "v1")
    assert (status, made["name"], made["sizes"]["versions"]) == (0, "v1", 1)
    status, listed = told(capsys, "data", "versions", path)
    assert [row["name"] for row in listed["versions"]] == ["v1"]
    assert listed["sizes"]["ratio"] > 0
    assert told(capsys, "data", "diff", path, "v1") == (
        0,
        {"old": "v1", "new": None, "same": True, "arrays": [], "attributes": []},
    )
    status, found = told(capsys, "data", "verify", path)
    assert (status, found["ok"], found["findings"]) == (0, True, [])
    assert told(capsys, "data", "restore", path, "v1")[1]["lost"] == 0
    assert told(capsys, "data", "dedup", path, "-f")[1]["files"] == 22
    assert told(capsys, "data", "drop", path, "v1")[1]["freed_bytes"] > 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is not stopped by read-only files")
def test_root_is_told(dataset: Path) -> None:
    with pytest.raises(LeptonError, match=r"Chunks are not shared, for read-only files .* --force"):
        say(f"data dedup {dataset}")
    assert "one more copy on disk, for read-only files" in say(f"data snapshot {dataset} v1").text
    assert "read-only files" not in say(f"data snapshot {dataset} v2 --private").text
    assert "Its files are shared, though" in say(f"data snapshot {dataset} v3 --shared").text
    with pytest.raises(LeptonError, match="either --private or --shared"):
        say(f"data snapshot {dataset} v4 --shared --private")


def test_what_it_takes_is_told(dataset: Path) -> None:
    say(f"data snapshot {dataset} v1 --shared")
    shown = say(f"data info {dataset}")
    assert "storage: with 1 version: 52.0 kB, compressed" in shown.text
    assert "together" in shown.text
    assert "place: warm" in shown.text
    for words in ("storage, with 1 version", "deduplicated", "warm", "importance 1"):
        assert words in shown._repr_html_()
    told = say(f"data report {dataset.parent}")
    header, row = told.text.splitlines()
    assert header.split()[:4] == ["dataset", "versions", "original", "compressed"]
    assert row.split()[:2] == ["a.zarr", "1"]
    document = json.loads(told.json())
    assert document["datasets"][0]["ratio"] == document["total"]["ratio"] > 1
    assert "No datasets here" in say(f"data report {dataset.parent / '.lepton'}").text


def test_a_broken_dataset_gives_a_status(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    say(f"data snapshot {dataset} v1 --private")
    (dataset / "x/c/3/0/0").write_bytes(b"broken")
    assert main(["data", "verify", str(dataset)]) == 1
    assert "broken: x 3/0/0:" in capsys.readouterr().out
    status, found = told(capsys, "data", "verify", str(dataset))
    assert (status, found["ok"]) == (1, False)
    assert found["findings"][0]["path"] == str(dataset / "x/c/3/0/0")
    assert main(["data", "verify", str(dataset), "--repair-from", "v1"]) == 0
    assert "repaired: taken from v1" in capsys.readouterr().out
    assert main(["data", "verify", str(dataset)]) == 0
    assert "All is as it should be." in capsys.readouterr().out


def test_many_findings_are_cut(dataset: Path) -> None:
    for number in range(20):
        (dataset / f"x/c/{number}/0/0").write_bytes(b"broken")
    (dataset / "y/c/0").write_bytes(b"broken")
    text = say(f"data verify {dataset}").text
    assert "… and 1 more" in text
    assert "21 files are not as they should be" in text
