"""Where the policy has datasets: cheapest, within what has room, without going to and fro."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from lepton_jlab.data.tiers.policy import Item, assign, costs, move_cost
from lepton_jlab.data.tiers.prices import GB, Tier, Tiers

HOT = Tier("hot", storage=0.10, read=0.001, write=0.001)
WARM = Tier("warm", storage=0.05, read=0.004, write=0.001)
COLD = Tier("cold", storage=0.01, read=0.05, write=0.001)
TIERS = Tiers({"hot": HOT, "warm": WARM, "cold": COLD}, horizon_days=30)


def item(name="a", tier="warm", reads=0.0, size=100, **more) -> Item:
    sizes = dict.fromkeys(TIERS.tiers, int(size * GB))
    return Item(name, tier, sizes, reads, **more)


@pytest.mark.parametrize(("reads", "tier"), [(0.0, "cold"), (5.0, "warm"), (50.0, "hot")])
def test_each_goes_where_it_is_cheapest(reads, tier):
    assert assign([item(reads=reads)], TIERS) == {"a": tier}


def test_break_even_is_where_storage_saved_is_reading_paid():
    # warm to cold: 0.04 a GB-month saved, 0.046 a read more, 0.005 to move
    assert assign([item(reads=0.75)], TIERS) == {"a": "cold"}
    assert assign([item(reads=0.78)], TIERS) == {"a": "warm"}
    # and back: what was saved is not worth another move
    assert assign([item(tier="cold", reads=0.78)], TIERS) == {"a": "cold"}


def test_leaving_early_costs_the_rest_of_the_days():
    tiers = Tiers({**TIERS.tiers, "cold": replace(COLD, minimum_days=30)}, horizon_days=30)
    assert move_cost(item(tier="cold", days=40), WARM, tiers) == pytest.approx(100 * 0.051)
    early = move_cost(item(tier="cold", days=15), WARM, tiers)
    assert early == pytest.approx(100 * (0.051 + 0.005))


def test_room_goes_to_what_saves_most_for_each_byte():
    tiers = Tiers({**TIERS.tiers, "hot": replace(HOT, capacity=int(250 * GB))}, horizon_days=30)
    items = [item(str(n), reads=20.0 + n) for n in range(4)]
    assert assign(items, tiers) == {"0": "warm", "1": "warm", "2": "hot", "3": "hot"}
    small = item("small", reads=21.5, size=50)
    assert assign([*items, small], tiers)["small"] == "hot"


def test_who_shall_be_there_takes_room_first():
    tiers = Tiers({**TIERS.tiers, "hot": replace(HOT, capacity=int(150 * GB))}, horizon_days=30)
    kept = item("kept", policy="hot")
    assert assign([kept, item("read", reads=500.0)], tiers) == {"kept": "hot", "read": "warm"}


def test_who_is_there_without_a_claim_gives_way():
    tiers = Tiers({**TIERS.tiers, "hot": replace(HOT, capacity=int(100 * GB))}, horizon_days=30)
    there, new = item("there", tier="hot", reads=18.0), item("new", reads=200.0)
    assert assign([there, new], tiers) == {"there": "warm", "new": "hot"}


def test_a_tier_that_it_cannot_have_is_not_chosen():
    old = Item("v2", "warm", {"warm": 10**9}, 0.0)
    assert assign([old], TIERS) == {"v2": "warm"}
    assert list(costs(old, TIERS)) == ["warm"]


def test_one_full_tier_after_the_other():
    limited = {
        "hot": replace(HOT, capacity=int(100 * GB)),
        "warm": replace(WARM, capacity=int(100 * GB)),
        "cold": COLD,
    }
    items = [item(str(n), tier="cold", reads=100.0 - n) for n in range(3)]
    assert sorted(assign(items, Tiers(limited)).values()) == ["cold", "hot", "warm"]


def test_without_room_it_is_as_good_as_the_best_of_all_choices():
    tiers = Tiers({**TIERS.tiers, "hot": replace(HOT, capacity=int(300 * GB))}, horizon_days=30)
    reads = [0.1, 3.0, 18.0, 24.0, 70.0, 90.0]
    items = [item(str(n), reads=r) for n, r in enumerate(reads)]
    chosen = assign(items, tiers)
    by_item = [costs(one, tiers) for one in items]
    best = min(
        sum(cost[place] for cost, place in zip(by_item, places, strict=True))
        for places in itertools.product(TIERS.tiers, repeat=len(items))
        if places.count("hot") <= 3
    )
    assert sum(by_item[int(n)][place] for n, place in chosen.items()) == pytest.approx(best)
