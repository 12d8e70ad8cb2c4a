"""Endpoints: requests a second and latencies beside LitServe, tornado and the bare runtime."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from benchmarks.report import TIMES, Figure, Result
from benchmarks.rounds import Samples, percentile, ratio, say

_CLIENTS = (1, 8, 32, 128)
_LEPTON = "Lepton, JSON"
_BINARY = "Lepton, binary tensors"
_LITSERVE = "LitServe"
_TORNADO = "model.predict behind tornado"
_FLOOR = "the runtime itself, one sample"
_MODEL = "served"


def measure(rounds: int, quick: bool) -> Result:
    """Have 1, 8, 32 and 128 clients ask each server for one picture at a time, in turn."""
    span, clients = (0.5, (1, 32)) if quick else (3.0, _CLIENTS)
    with ExitStack() as stack:
        _save()
        import lepton_jlab as lepton

        endpoint = lepton.deploy(_MODEL)
        stack.callback(endpoint.stop)
        facts = endpoint.to_dict()
        runtime = facts["runtime"]
        version = lepton.model(_MODEL).version()
        file = str(version.export_file(runtime) or version.folder)
        notes = [f"served by {runtime}; {facts['why']}; LitServe holds the same"]
        port = int(endpoint.url.rpartition(":")[2])
        head = f"authorization: Bearer {endpoint.token}\r\n"
        ways = {
            _LEPTON: (port, _request(f"/v1/models/{_MODEL}:predict", _rows(), head)),
            _BINARY: (port, _tensors(head)),
            _TORNADO: (
                stack.enter_context(_server("tornado", str(version.folder / "model.keras"))),
                _request("/predict", _rows()),
            ),
        }
        if find_spec("litserve"):
            lit = stack.enter_context(_server("litserve", runtime, str(version.folder), file))
            ways[_LITSERVE] = (lit, _request("/predict", _rows()))
        else:
            notes.append("LitServe is not installed: pip install 'lepton_jlab[bench]'")
        floor = stack.enter_context(_floor(runtime, str(version.folder), file))
        return _interleaved(ways, floor, rounds, clients, span, notes)


def _interleaved(
    ways: dict[str, tuple[int, bytes]],
    floor: Callable[[], list[float]],
    rounds: int,
    clients: tuple[int, ...],
    span: float,
    notes: list[str],
) -> Result:
    samples: Samples = {}
    taken: dict[str, list[float]] = {}
    rates: Samples = {}
    for port, request in ways.values():  # a moment to get warm in
        _load(port, request, 32, span)
    for number in range(rounds):
        for count in clients:
            for name, (port, request) in ways.items():
                say(f"  round {number + 1} of {rounds}: {name}, {count} clients")
                what = f"{name}, {count} clients"
                rate, times = _load(port, request, count, span)
                rates.setdefault(what, []).append(rate)
                samples.setdefault(f"{what}, a request", []).append(1 / rate)
                taken.setdefault(what, []).extend(times)
        taken.setdefault(_FLOOR, []).extend(floor())
    say("")
    figures = []
    if _LITSERVE in ways:
        figures = [
            Figure(
                f"requests/s of LitServe's, {count} clients",
                ratio(rates, f"{_LEPTON}, {count} clients", f"{_LITSERVE}, {count} clients"),
                TIMES,
                at_least=3.0 if count == 32 else None,
            )
            for count in clients
        ]
    figures += [
        Figure(
            f"requests/s of tornado's, {count} clients",
            ratio(rates, f"{_LEPTON}, {count} clients", f"{_TORNADO}, {count} clients"),
            TIMES,
        )
        for count in clients
    ]
    over = percentile(taken[f"{_LEPTON}, 1 clients"], 99) - percentile(taken[_FLOOR], 50)
    figures.append(Figure("p99 over the floor, one client", 1e3 * over, "ms", at_most=3.0))
    for what, times in taken.items():
        p50, p99 = percentile(times, 50), percentile(times, 99)
        rate = f"{sum(rates[what]) / rounds:.0f} requests/s, " if what in rates else ""
        notes.append(f"{what}: {rate}p50 {1e3 * p50:.2f} ms, p99 {1e3 * p99:.2f} ms")
    return Result(figures, samples, notes)


def _save() -> None:
    """Keep the quickstart's model, in a process that is gone afterwards, with its exports."""
    subprocess.run([sys.executable, "-m", "benchmarks.serving_model", _MODEL], check=True)


def _rows() -> bytes:
    return json.dumps({"instances": _picture().tolist()}).encode()


def _picture() -> Any:
    import numpy as np

    return np.random.default_rng(0).integers(0, 255, (1, 28, 28, 1)).astype("float32")


def _tensors(head: str) -> bytes:
    picture = _picture()
    one = {"name": "x", "shape": list(picture.shape), "datatype": "FP32"}
    asked = {
        "inputs": [{**one, "parameters": {"binary_data_size": picture.nbytes}}],
        "parameters": {"binary_data_output": True},
    }
    document = json.dumps(asked).encode()
    head += f"inference-header-content-length: {len(document)}\r\n"
    return _request(f"/v2/models/{_MODEL}/infer", document + picture.tobytes(), head)


def _request(path: str, body: bytes, head: str = "") -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{head}"
        f"content-length: {len(body)}\r\n\r\n"
    ).encode() + body


def _load(port: int, request: bytes, clients: int, span: float) -> tuple[float, list[float]]:
    """Return requests a second, and the seconds of each, as a process of its own saw them."""
    arguments = map(str, (port, clients, span, 200_000))
    # A file: of a long answer through a pipe that libuv had set to not block, the end was lost.
    with TemporaryFile() as answer:
        subprocess.run(
            [sys.executable, "-m", "benchmarks.serving_load", *arguments],
            input=request,
            stdout=answer,
            stderr=subprocess.PIPE,
            check=True,
        )
        answer.seek(0)
        found = json.load(answer)
    if found["failed"] or not found["taken"]:
        raise RuntimeError(f"{found['failed']} requests failed")
    return len(found["taken"]) / found["seconds"], found["taken"]


@contextmanager
def _server(*words: str) -> Iterator[int]:
    """Start one of `benchmarks.serving_peers`, and end it; gives its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.serving_peers", *words, str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd=Path(__file__).parents[1],
    )
    try:
        end = time.monotonic() + 120
        picture = _request("/predict", _rows())
        while True:
            try:
                _load(port, picture, 1, 0.05)
                break
            except (subprocess.CalledProcessError, RuntimeError):
                if process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"{words[0]} does not answer") from None
                time.sleep(0.5)
        yield port
    finally:
        os.killpg(process.pid, 9)
        process.wait()


@contextmanager
def _floor(runtime: str, folder: str, file: str) -> Iterator[Callable[[], list[float]]]:
    """Give what times the runtime alone, in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.serving_peers", "floor", runtime, folder, file],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )

    def ask() -> list[float]:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("go\n")
        process.stdin.flush()
        times: list[float] = json.loads(process.stdout.readline())
        return times

    try:
        ask()
        yield ask
    finally:
        process.kill()
        process.wait()
