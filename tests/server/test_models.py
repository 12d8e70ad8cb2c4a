"""A model is saved, deployed, tried and dropped from a page, which never sees a token."""

from __future__ import annotations

import numpy as np
import pytest

import lepton_jlab as lepton

from .conftest import Server

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def saved(server: Server) -> str:
    """A model of two classes, saved by REST from a file below the root, with samples kept."""
    keras = pytest.importorskip("keras")
    model = keras.Sequential(
        [keras.layers.Input((4,)), keras.layers.Dense(2, activation="softmax")]
    )
    model.save(server.root / "two.keras")
    body = {"run": "file:two.keras", "name": "two", "note": "by REST"}
    task = server.done(server.call("POST", "models", body))
    assert task["state"] == "done", task
    assert task["result"]["versions"][0]["note"] == "by REST"
    return "two"


def test_it_is_listed_deployed_tried_and_stopped(server: Server, saved: str):
    page = server.connect()
    page.subscribe("models", "endpoints")
    assert saved in [model["name"] for model in page.until("models")["models"]]
    assert page.until("endpoints") == {"endpoints": []}
    deployed = server.done(server.call("POST", f"models/{saved}/deploy", {"workers": 1}))
    assert deployed["state"] == "done", deployed
    token = lepton.endpoint(saved).token
    try:
        [told] = page.until("endpoints", lambda d: d["endpoints"])["endpoints"]
        assert told["name"] == saved
        x = np.random.default_rng(0).random((10, 4), dtype="f4")
        np.savez(server.root / "four.npz", x=x, y=np.arange(10) % 2)
        made = server.call("POST", "datasets", {"source": "four.npz", "path": "four.zarr"})
        server.done(made)
        path = f"endpoints/{saved}/predict"
        by_hand = server.call("POST", path, {"inputs": x[3:4].tolist()}).document
        by_path = server.call("POST", path, {"sample": {"path": "four.zarr", "index": 3}}).document
        assert np.allclose(by_hand["outputs"], by_path["outputs"])
        assert sum(one["score"] for one in by_path["top"]) == pytest.approx(1, abs=1e-5)
        assert by_path["top"][0]["score"] >= by_path["top"][1]["score"]
        stored = server.call("POST", path, {"sample": {"stored": 0}})
        assert stored.status == 200, stored.text
        assert server.call("POST", path, {"sample": {"stored": 10_000}}).status == 400
        assert server.call("POST", path, {"inputs": [[1, 2]]}).status == 400
        everything = [server.call("GET", one).text for one in ("models", "endpoints", "tasks")]
        assert not any(token in text for text in everything)
    finally:
        assert server.call("DELETE", f"endpoints/{saved}").status == 204
    assert page.until("endpoints", lambda d: not d["endpoints"]) == {"endpoints": []}
    page.close()


def test_versions_are_promoted_and_dropped_when_forced(server: Server, saved: str):
    body = {"run": "file:two.keras", "name": saved}
    assert server.done(server.call("POST", "models", body))["state"] == "done"
    promoted = server.call("POST", f"models/{saved}/promote", {"version": 2})
    assert promoted.document["promoted"] == 2
    refused = server.call("DELETE", f"models/{saved}?version=2")
    assert (refused.status, refused.document["error"]["forcible"]) == (400, True)
    assert server.call("DELETE", f"models/{saved}?version=1").status == 204
    assert server.call("DELETE", f"models/{saved}?force=1").status == 204
    assert server.call("GET", f"models/{saved}").status == 404
