"""Clients that nobody here wrote, and our own, against an endpoint that really runs."""

from __future__ import annotations

import json
import re
import shutil
import stat
import subprocess
import urllib.request
from pathlib import Path

import numpy as np
import psutil
import pytest
from conditions import alive, wait_gone, wait_until

import lepton_jlab as lepton
from lepton_jlab.errors import DataError, NotFoundError, UsageError
from lepton_jlab.models.serving.connection import ENDPOINTS

from .wire import Wire, post

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("stopped")]


@pytest.fixture(scope="module")
def client(shapes):
    """The pictures' model, deployed."""
    return lepton.deploy("shapes", max_request="1MiB", timeout=5)


@pytest.fixture(scope="module")
def pictures(shapes):
    return shapes.version().samples.inputs["x"], shapes.version().samples.outputs["y"]


@pytest.fixture
def bearer(client):
    return {"Authorization": f"Bearer {client.token}"}


def curl(client, path, *options):
    """Ask with curl as TensorFlow Serving's documentation does; status and document."""
    token = f"Authorization: Bearer {client.token}"
    command = ["curl", "-s", "-w", "\n%{http_code}", "-H", token, *options, client.url + path]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    body, _, status = done.stdout.rpartition("\n")
    return int(status), json.loads(body)


# ---- tritonclient


@pytest.fixture
def triton(client):
    http = pytest.importorskip("tritonclient.http")
    made = http.InferenceServerClient(client.url.removeprefix("http://"))
    yield made
    made.close()


def test_triton_asks_for_health_and_metadata(triton, bearer):
    assert triton.is_server_live()
    assert triton.is_server_ready()
    assert triton.is_model_ready("shapes", headers=bearer)
    assert triton.is_model_ready("shapes", "1", headers=bearer)
    assert "binary_tensor_data" in triton.get_server_metadata(headers=bearer)["extensions"]
    metadata = triton.get_model_metadata("shapes", headers=bearer)
    assert metadata["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 12, 12, 1]}]
    assert triton.get_model_repository_index(headers=bearer)[0]["state"] == "READY"


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("packed", [None, "gzip", "deflate"])
def test_triton_infers(triton, bearer, pictures, binary, packed):
    import tritonclient.http as http

    images, expected = pictures
    given = http.InferInput("x", images.shape, "FP32")
    given.set_data_from_numpy(images.astype("float32"), binary_data=binary)
    wanted = http.InferRequestedOutput("y", binary_data=binary)
    result = triton.infer(
        "shapes",
        [given],
        outputs=[wanted],
        headers=bearer,
        request_id="7",
        request_compression_algorithm=packed,
    )
    np.testing.assert_allclose(result.as_numpy("y"), expected, atol=1e-5)
    assert result.get_response()["id"] == "7"


def test_triton_gets_classes(triton, bearer, pictures, client):
    import tritonclient.http as http

    images, expected = pictures
    given = http.InferInput("x", images.shape, "FP32")
    given.set_data_from_numpy(images.astype("float32"))
    wanted = http.InferRequestedOutput("y", class_count=1)
    result = triton.infer("shapes", [given], outputs=[wanted], headers=bearer)
    found = [text.decode().split(":")[2] for text in result.as_numpy("y")[:, 0]]
    assert found == [client.classes[k] for k in expected.argmax(axis=1)]


def test_triton_is_told_what_is_wrong(triton, bearer):
    import tritonclient.http as http

    given = http.InferInput("x", (1, 3), "FP32")
    given.set_data_from_numpy(np.zeros((1, 3), "float32"))
    with pytest.raises(http.InferenceServerException, match=r"takes float32 \(\*, 12, 12, 1\)"):
        triton.infer("shapes", [given], headers=bearer)
    with pytest.raises(http.InferenceServerException, match="token"):
        triton.infer("shapes", [given])


# ---- curl


needs_curl = pytest.mark.skipif(not shutil.which("curl"), reason="no curl")


@needs_curl
def test_curl_with_the_requests_of_tensorflow_serving(client, pictures):
    images, expected = pictures
    status, document = curl(client, "/v1/models/shapes")
    assert status == 200
    assert document["model_version_status"][0]["state"] == "AVAILABLE"
    status, document = curl(client, "/v1/models/shapes/metadata")
    assert document["model_spec"]["version"] == "1"
    asked = json.dumps({"signature_name": "serving_default", "instances": images[:2].tolist()})
    status, document = curl(client, "/v1/models/shapes:predict", "-X", "POST", "-d", asked)
    assert status == 200
    np.testing.assert_allclose(document["predictions"], expected[:2], atol=1e-5)
    asked = json.dumps({"examples": [{"x": images[0].tolist()}]})
    status, document = curl(client, "/v1/models/shapes:classify", "-d", asked)
    assert [label for label, _ in document["result"][0]] == client.classes
    status, document = curl(client, "/v1/models/none:predict", "-d", asked)
    assert (status, list(document)) == (404, ["error"])


@needs_curl
def test_curl_in_chunks_and_with_a_large_file(client, pictures, tmp_path):
    asked = tmp_path / "request.json"
    asked.write_text(json.dumps({"instances": pictures[0].tolist()}))
    head = ("-H", "Transfer-Encoding: chunked", "-d", f"@{asked}")
    status, document = curl(client, "/v1/models/shapes:predict", *head)
    assert (status, len(document["predictions"])) == (200, len(pictures[0]))
    asked.write_bytes(b" " * (2 << 20))
    status, document = curl(client, "/v1/models/shapes:predict", "-d", f"@{asked}")
    assert status == 413
    assert "1 MiB" in document["error"]


# ---- what is wrong harms nobody


def test_a_flood_of_nonsense_leaves_the_service_as_it_was(client, pictures):
    workers = client.info()["worker_pids"]
    port = int(client.url.rpartition(":")[2])
    token = {"authorization": f"Bearer {client.token}"}
    path = "/v2/models/shapes/infer"
    bodies = [b"", b"{", b"[" * 5000, b'{"inputs": 3}', bytes(range(256)) * 100]
    for body in bodies * 10:
        wire = Wire(port)
        wire.send(post(path, body, **token))
        assert wire.answer()[0] == 400
        wire.close()
    for cut in (1, 10, 100):  # clients that leave in the middle
        wire = Wire(port)
        wire.send(post(path, b"x" * 200, **token)[:-cut])
        wire.close()
    images, expected = pictures
    np.testing.assert_allclose(client.predict(images), expected, atol=1e-5)
    assert client.info()["worker_pids"] == workers


# ---- our client


def test_the_client_predicts_samples_and_one_sample(client, pictures):
    images, expected = pictures
    np.testing.assert_allclose(client.predict(images), expected, atol=1e-5)
    np.testing.assert_allclose(client.predict(images[0]), expected[0], atol=1e-5)
    assert client.predict(images.astype("uint8")).shape == expected.shape


def test_the_client_sends_what_is_large_in_parts(client, pictures, monkeypatch):
    monkeypatch.setattr("lepton_jlab.models.serving.client._PART", 3000)
    np.testing.assert_allclose(client.predict(pictures[0]), pictures[1], atol=1e-5)


def test_the_client_says_what_is_wrong_before_it_sends(client):
    with pytest.raises(DataError, match=r"takes \(\*, 12, 12, 1\) float32; given was \(2, 3\)"):
        client.predict(np.zeros((2, 3)))
    with pytest.raises(DataError, match="takes"):
        client.predict(np.array([["a"]]))
    with pytest.raises(DataError, match="NaN and infinity"):
        client.predict(np.full((1, 12, 12, 1), np.nan))


def test_the_client_shows_shapes_and_classes(client):
    shown = repr(client)
    for part in ("shapes:1", "(*, 12, 12, 1) float32", "circle, square, cross", client.url):
        assert part in shown
        assert part in client.__doc__
        assert part in client._repr_html_()
    assert client.token not in shown + client._repr_html_()


# ---- the endpoint as a process


def test_the_token_is_in_the_connection_file_alone(client):
    info = client.info()
    path = ENDPOINTS.path_of("shapes")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert client.token in path.read_text()
    for pid in (info["pid"], *info["worker_pids"]):
        process = psutil.Process(pid)
        assert client.token not in " ".join(process.cmdline())
        assert client.token not in str(process.environ())
    assert client.token not in Path(info["log"]).read_text()


def test_it_listens_on_this_machine_alone(client):
    [listening] = [
        c for c in psutil.Process(client.info()["pid"]).net_connections("inet")
        if c.status == psutil.CONN_LISTEN
    ]  # fmt: skip
    assert listening.laddr.ip == "127.0.0.1"


def test_its_metrics_count_batches_and_answers(client, pictures, bearer):
    client.predict(pictures[0])
    asked = urllib.request.Request(f"{client.url}/metrics", headers=bearer)
    with urllib.request.urlopen(asked) as answer:
        text = answer.read().decode()
    assert re.search(
        r'lepton_requests_total{code="200",endpoint="shapes",verb="infer"} [1-9]', text
    )
    assert 'lepton_workers{endpoint="shapes"} 1.0' in text


def test_a_change_that_cannot_be_leaves_what_was(client, pictures):
    with pytest.raises(NotFoundError, match="version"):
        lepton.deploy("shapes", 99)
    with pytest.raises(UsageError, match="listens on"):
        lepton.deploy("shapes", port=1)
    with pytest.raises(UsageError, match="litrt"):
        lepton.deploy("shapes", runtime="litrt")
    assert client.predict(pictures[0]).shape == pictures[1].shape


def test_a_port_that_is_taken_is_named_and_nothing_is_left(client, halves):
    port = int(client.url.rpartition(":")[2])
    with pytest.raises(UsageError, match=f"{port}: .*in use"):
        lepton.deploy("halves", port=port)
    assert "halves" not in ENDPOINTS.names()


def test_when_it_is_killed_its_workers_end_and_its_file_is_cleared(client):
    """The last one here: the endpoint is gone afterwards."""
    info = client.info()
    psutil.Process(info["pid"]).kill()
    wait_gone([info["pid"], *info["worker_pids"]])
    assert not any(alive(pid) for pid in info["worker_pids"])
    # The kernel takes a killed process apart for some milliseconds after it is a zombie.
    wait_until(lambda: "shapes" not in [one.name for one in lepton.endpoints()])
    with pytest.raises(NotFoundError, match="%lepton model deploy shapes"):
        lepton.endpoint("shapes")
    assert not ENDPOINTS.path_of("shapes").exists()
