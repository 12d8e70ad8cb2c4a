"""The ranks of a run, as their host holds them: whose words count, and which end explains."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from lepton_jlab.cluster.backend import WorkerFacts
from lepton_jlab.runs.attempt import failed
from lepton_jlab.runs.crew import Crew
from lepton_jlab.runs.journal import Entry

DONE = {"type": "end", "state": "done", "error": None, "values": ["v"], "seconds": {"run": 1.0}}


class Host:
    """A crew of three on workers a, b and c, with what it calls."""

    def __init__(self, folder: Any) -> None:
        self.calls: list[tuple[str, str, dict[str, Any]]] = []
        spec = {"id": "r7", "replicas": 3, "slots": 3, "checkpoint": 0.0, "folder": str(folder)}
        self.spec = {**spec, "pull": ["model"]}
        self.crew = Crew(self.spec, lambda w, h, **more: self.calls.append((w, h, more)))
        self.begin()

    def begin(self) -> list[tuple[str, dict[str, Any]]]:
        places = [(WorkerFacts(w, w, "here", 1, 0), "cpu") for w in "abc"]
        return self.crew.begin(Entry(7, self.spec, 0, None, None, None), places)

    def hear(self, rank: int, event: dict[str, Any]) -> list[dict[str, Any]]:
        return self.crew.take({**event, "run": f"r7.{rank}" if rank else "r7"})

    def ends(self, *ends: tuple[int, dict[str, Any]]) -> list[dict[str, Any]]:
        """Return what the ends of ranks, in this order, are to the run."""

        async def hear() -> list[dict[str, Any]]:
            found = []
            for rank, end in ends:
                found += self.hear(rank, end)
            return found

        return asyncio.run(hear())


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


def test_each_rank_is_told_its_place_and_rank_0_alone_brings_values(host):
    specs = [spec for _, spec in host.begin()]
    assert [spec["id"] for spec in specs] == ["r7", "r7.1", "r7.2"]
    assert [spec["pull"] for spec in specs] == [["model"], [], []]
    assert [spec["replica"]["rank"] for spec in specs] == [0, 1, 2]
    assert len({spec["replica"]["secret"] for spec in specs}) == 1
    assert (
        specs[0]["replica"]["seed"]
        == Host(host.crew._spec["folder"]).begin()[0][1]["replica"]["seed"]
    )


def test_they_learn_of_each_other_once_all_have_an_address(host):
    for rank in (1, 0, 2):
        assert not host.calls
        host.hear(rank, {"type": "address", "address": {"socket": f"s{rank}"}})
    assert [(worker, more["run"]) for worker, _, more in host.calls] == [
        ("a", "r7"),
        ("b", "r7.1"),
        ("c", "r7.2"),
    ]
    assert host.calls[0][2]["message"]["peers"][2] == {"socket": "s2"}


def test_text_of_others_has_their_number_and_their_figures_are_dropped(host):
    text = {"type": "text", "stream": "stdout"}
    heard = [
        one["text"]
        for rank, words in ((0, "a\n"), (1, "b\nc"), (0, "f"), (1, "d\n"), (2, "e\n"), (0, "g\n"))
        for one in host.hear(rank, {**text, "text": words})
    ]
    assert "".join(heard) == "a\n[1] b\nfg\n[1] cd\n[2] e\n"
    metrics = {"type": "metrics", "values": {"loss": 1.0}, "step": 1}
    assert [len(host.hear(rank, metrics)) for rank in range(3)] == [1, 0, 0]


def test_who_lets_the_others_wait_is_named_once(host):
    wait = {"type": "waiting", "what": "the gradients of step 7"}
    assert host.hear(0, {**wait, "seconds": 3.0}) == []
    told = [host.hear(rank, {**wait, "seconds": 12.0}) for rank in (2, 0)]
    assert told[1] == []
    assert "rank 1 on worker b: not at the gradients of step 7 for 12.0 s" in told[0][-1]["text"]
    assert [rank["state"] for rank in host.crew.document()] == ["waiting", "starting", "waiting"]


def test_all_done_is_rank_0s_end(host):
    (end,) = host.ends((1, {**DONE, "values": []}), (2, {**DONE, "values": []}), (0, DONE))
    assert (end["state"], end["values"], end["run"]) == ("done", ["v"], "r7")


@pytest.mark.parametrize(
    ("ends", "kind", "message", "resumes"),
    [
        (
            [
                (0, failed("peer", "gone")),
                (1, failed("signal", "killed")),
                (2, failed("peer", "x")),
            ],
            "signal",
            "rank 1 on worker b: killed",
            True,
        ),
        (
            [
                (2, failed("signal", "killed")),
                (0, failed("exception", "no")),
                (1, failed("peer", "")),
            ],
            "exception",
            "rank 0 on worker a: no",
            False,
        ),
        (
            [
                (1, DONE),
                (2, failed("peer", "Rank 1 of this run has gone.")),
                (0, failed("peer", "")),
            ],
            "exception",
            "every rank must call fit, evaluate and all_reduce as often",
            False,
        ),
    ],
)
def test_the_end_that_explains_the_others_is_the_runs(host, ends, kind, message, resumes):
    (end,) = [one for one in host.ends(*ends) if one["type"] == "end"]
    assert end["error"]["kind"] == kind
    assert message in end["error"]["message"]
    assert host.crew.resumes(end) is resumes


def test_the_others_are_ended_with_the_first(host):
    async def first():
        host.hear(1, failed("exception", "no"))
        await asyncio.sleep(0.01)

    asyncio.run(first())
    assert [(worker, name) for worker, name, _ in host.calls] == [
        ("a", "stop_run"),
        ("c", "stop_run"),
    ]


def test_what_dies_again_and_again_without_a_checkpoint_is_given_up(host):
    killed = failed("signal", "killed")

    def die() -> bool:
        return host.crew.resumes(host.ends((0, killed), (1, killed), (2, killed))[-1])

    def again() -> bool:
        host.begin()
        return die()

    assert [die(), again(), again()] == [True, True, False]
    host.begin()
    checkpoint = {"type": "checkpoint", "epoch": 1, "batch": 3}
    host.hear(0, checkpoint)
    assert die()
    assert host.crew.goes_on_from() == "Going on from the checkpoint at epoch 2, batch 3"


def test_it_goes_on_with_fewer_workers_only_once_it_has_begun(tmp_path):
    spec = {"id": "r7", "replicas": 3, "slots": 3, "checkpoint": 0.0, "folder": str(tmp_path)}
    assert not Crew(spec, lambda *_, **__: None).goes_on_with(2)
    host = Host(tmp_path)
    assert host.crew.goes_on_with(2)
    assert host.spec["slots"] == 2
