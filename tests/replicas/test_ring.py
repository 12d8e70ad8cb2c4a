"""Sums over a ring: right, the same to the last bit on all ranks, errors that name who and what."""

from __future__ import annotations

import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from lepton_jlab.errors import RunError
from lepton_jlab.replicas.group import Group
from lepton_jlab.replicas.links import Listener, connect, ring
from lepton_jlab.replicas.ring import PeerLost, Ring

SECRET = b"of this run"


def together(
    world: int, do: Callable[[Group], Any], listeners: Any = None, tls: Any = None
) -> list:
    """Do something as each of `world` ranks at once, in threads; return what came of it."""
    pairs = [socket.socketpair() for _ in range(world)]  # from each rank to the next

    def be(rank: int) -> Any:
        if listeners is None:
            right, left = pairs[rank][0], pairs[rank - 1][1]
            right.setblocking(False)
            left.setblocking(False)
        else:
            addresses = [one.address for one in listeners]
            right, left = ring(listeners[rank], tls, rank, addresses, SECRET)
        members = Group(rank, world, Ring(rank, world, right, left, lambda *_: None))
        try:
            return do(members)
        except Exception as error:
            return error
        finally:
            members.close()

    with ThreadPoolExecutor(world) as pool:
        return list(pool.map(be, range(world)))


@pytest.mark.parametrize("world", [2, 3, 4])
@pytest.mark.parametrize("size", [0, 1, 5, 300_000])
def test_sums_are_right_and_the_same_on_all_ranks(world, size):
    parts = [np.random.default_rng(r).standard_normal(size).astype("f4") for r in range(world)]

    def add(members):
        values = parts[members.rank].copy()
        members.reduce(values, "sum", "a sum")
        return values

    found = together(world, add)
    np.testing.assert_allclose(found[0], np.sum(parts, axis=0), rtol=1e-5, atol=1e-5)
    assert all(np.array_equal(found[0], other) for other in found)


def test_arrays_of_several_dtypes_and_shapes():
    def combine(members):
        arrays = [np.full((2, 3), members.rank, "f4"), np.array(members.rank), np.ones(2, "f4")]
        return (
            members.reduced(arrays, "max", "maxima"),
            members.broadcast([np.full((2, 2), members.rank), np.array(1.5)], "rank 0's"),
            members.told({"from": members.rank}, "words"),
        )

    for maxima, given, words in together(3, combine):
        assert [array.shape for array in maxima] == [(2, 3), (), (2,)]
        assert (maxima[0] == 2).all()
        assert maxima[1] == 2
        assert (given[0] == 0).all()
        assert given[1].shape == ()
        assert words == {"from": 0}


def test_over_tls_with_the_clusters_keys():
    from distributed import Security

    security = Security.temporary()
    tls = {
        "ca": security.tls_ca_file,
        "cert": security.tls_worker_cert,
        "key": security.tls_worker_key,
    }
    place = {"socket": None, "host": "127.0.0.1", "tls": tls}
    found = together(
        3,
        lambda g: g.reduced([np.ones(50_000)], "sum", "s")[0],
        [Listener(place) for _ in range(3)],
        tls,
    )
    assert all((values == 3).all() for values in found)


@pytest.mark.parametrize("knows", ["another secret", "no TLS"])
def test_who_does_not_belong_is_turned_away(knows):
    from distributed import Security

    security = Security.temporary()
    tls = {
        "ca": security.tls_ca_file,
        "cert": security.tls_worker_cert,
        "key": security.tls_worker_key,
    }
    listener = Listener({"socket": None, "host": "127.0.0.1", "tls": tls})
    with ThreadPoolExecutor(1) as pool:
        accepted = pool.submit(listener.accept, 1, SECRET)
        keys, secret = (None, SECRET) if knows == "no TLS" else (tls, b"wrong")
        with pytest.raises(RunError, match="No connection to rank 0"):
            connect(listener.address, keys, 1, secret, 0)
        with connect(listener.address, tls, 1, SECRET, 0):  # it still waits for who does
            accepted.result(10).close()
    listener.close()


def test_a_rank_that_leaves_is_missed_by_all():
    def leave(members):
        if members.rank != 2:
            members.reduce(np.zeros(1000, "f4"), "sum", "a sum")

    found = together(4, leave)
    assert [type(one) for one in found] == [PeerLost, PeerLost, type(None), PeerLost]
    assert any("Rank 2 of this run has gone" in str(one) for one in found)


def test_ranks_that_do_different_things_are_told_so():
    def differ(members):
        members.reduce(np.zeros(3), "sum", "the metrics" if members.rank else "step 7")

    found = together(2, differ)
    assert all(isinstance(one, RunError) for one in found)
    words = " ".join(map(str, found))
    assert "rank 1 is at the metrics, and rank 0 at step 7" in words
