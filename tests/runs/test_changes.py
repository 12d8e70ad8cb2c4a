"""What a host answers to those who follow its runs."""

from __future__ import annotations

import asyncio

from lepton_jlab.runs.changes import Changes


def test_a_follower_is_told_of_each_changed_run_once():
    async def scene():
        changes = Changes()
        changes.note(["r1", "r2", "r1"])
        first = await changes.since(0, 1.0)
        changes.note(["r3"])
        return first, await changes.since(first["number"], 1.0)

    first, then = asyncio.run(scene())
    assert sorted(first["runs"]) == ["r1", "r2"]
    assert then["runs"] == ["r3"]


def test_all_who_wait_are_woken_by_the_first_change():
    async def scene():
        changes = Changes()
        waiting = [asyncio.create_task(changes.since(0, 30.0)) for _ in range(3)]
        await asyncio.sleep(0)
        changes.note(["r1"])
        return await asyncio.gather(*waiting)

    assert [answer["runs"] for answer in asyncio.run(scene())] == [["r1"]] * 3


def test_patience_ends_with_no_change():
    async def scene():
        return await Changes().since(0, 0.01)

    assert asyncio.run(scene()) == {"number": 0, "runs": []}


def test_who_was_away_too_long_is_told_that_everything_may_have_changed():
    async def scene():
        changes = Changes()
        changes.note(f"r{n}" for n in range(20_000))
        return await changes.since(1, 1.0), await changes.since(19_999, 1.0)

    long, short = asyncio.run(scene())
    assert long == {"number": 20_000, "runs": None}
    assert short["runs"] == ["r19999"]


def test_who_followed_an_earlier_host_starts_anew():
    async def scene():
        changes = Changes()
        changes.note(["r1"])
        return await changes.since(57, 1.0)

    assert asyncio.run(scene()) == {"number": 1, "runs": None}
