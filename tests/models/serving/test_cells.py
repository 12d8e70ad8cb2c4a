"""Serving cells: from a notebook's cell to answers over HTTP."""

from __future__ import annotations

import json
import threading
import time
import urllib.request

import numpy as np
import pytest
from conditions import wait_until

import lepton_jlab as lepton
from lepton_jlab.errors import DataError, LeptonError, UsageError
from lepton_jlab.models.serving.cells import serve_cell

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("stopped")]

CELL = '''
import asyncio

def best(image: np.ndarray, count: int = 1) -> list[str]:
    """The most likely classes."""
    scores = model.predict(image)
    return [model.classes[k] for k in np.argsort(-scores)[:count]]

def shorten(text: str) -> str:
    return cut(text)

async def nap(seconds: float) -> float:
    await asyncio.sleep(seconds)
    return seconds

@lepton.batched
def together(numbers: list[int]) -> list[int]:
    return [len(numbers)] * len(numbers)

def stuck() -> None:
    while True:
        pass

def _own() -> None:
    pass
'''
NOTEBOOK = """
LENGTH = 3

def cut(text):
    return text[:LENGTH]
"""


@pytest.fixture(scope="module")
def tagger(shapes):
    names = {"__name__": "__main__", "np": np, "lepton": lepton}
    exec(NOTEBOOK, names)
    return serve_cell(CELL, "tagger", namespace=names, model="shapes", timeout=4)


def test_functions_know_the_model_and_what_the_notebook_had(tagger, shapes):
    samples = shapes.version().samples
    image, scores = samples.inputs["x"][0], samples.outputs["y"][0]
    assert tagger.call("best", image=image, count=3) == [
        tagger.classes[k] for k in np.argsort(-scores)
    ]
    assert tagger.call("shorten", text="abcdef") == "abc"
    assert "cut (function)" in " ".join(tagger.brought)


def test_the_model_is_served_beside_by_its_protocols(tagger, shapes):
    samples = shapes.version().samples
    np.testing.assert_allclose(tagger.predict(samples.inputs["x"]), samples.outputs["y"], atol=1e-5)


def test_arguments_are_checked_and_the_answer_says_which(tagger):
    with pytest.raises(DataError, match="best needs 'image'"):
        tagger.call("best")
    with pytest.raises(DataError, match=r"shorten.text: 3 is not text"):
        tagger.call("shorten", text=3)
    with pytest.raises(LeptonError, match="nothing at /_own"):
        tagger.call("_own")


def test_they_are_described(tagger):
    asked = urllib.request.Request(
        f"{tagger.url}/openapi.json", headers={"Authorization": f"Bearer {tagger.token}"}
    )
    with urllib.request.urlopen(asked) as answer:
        paths = json.load(answer)["paths"]
    schema = paths["/shorten"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert schema["properties"] == {"text": {"type": "string"}}
    assert paths["/best"]["post"]["summary"] == "The most likely classes."
    assert "/v2/models/shapes/infer" in paths


def in_threads(calls):
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_async_functions_wait_together_and_keep_nobody(tagger):
    begun = time.monotonic()
    answers = []
    calls = [lambda: answers.append(tagger.call("nap", seconds=1.0)) for _ in range(8)]
    in_threads([*calls, lambda: answers.append(tagger.call("shorten", text="abcd"))])
    assert answers[0] == "abc"
    assert len(answers) == 9
    assert time.monotonic() - begun < 8.0


def test_a_request_that_is_late_is_504_and_those_beside_it_go_on(tagger):
    with pytest.raises(LeptonError, match="within 4 s"):
        tagger.call("nap", seconds=60.0)
    assert tagger.call("shorten", text="abcd") == "abc"


def test_a_worker_that_is_stuck_is_replaced(tagger):
    [before] = tagger.info()["worker_pids"]
    with pytest.raises(LeptonError, match="within 4 s"):
        tagger.call("stuck")
    assert wait_until(
        lambda: (pids := tagger.info()["worker_pids"]) and before not in pids, timeout=60
    )
    assert tagger.call("shorten", text="abcd") == "abc"


def test_running_the_cell_again_replaces_it_and_a_bad_cell_does_not(tagger):
    url = tagger.url
    with pytest.raises(LeptonError, match="line 2: ZeroDivisionError"):
        serve_cell("x = 1\n1 / 0\ndef f(a: int): pass", "tagger")
    with pytest.raises(UsageError, match="no function to serve"):
        serve_cell("x = 1", "tagger")
    with pytest.raises(UsageError, match="'nowhere'"):
        serve_cell("def f(a: int): return nowhere", "tagger", namespace={})
    with pytest.raises(UsageError, match="sets `model` itself"):
        serve_cell("model = 1\ndef f(a: int): return a", "tagger", model="shapes")
    assert tagger.call("shorten", text="abcd") == "abc"
    again = serve_cell("def plus(a: int) -> int:\n    return a + 1", "tagger")
    assert again.url == url
    assert again.call("plus", a=1) == 2
    with pytest.raises(LeptonError, match="nothing at /shorten"):
        again.call("shorten", text="abcd")


def test_a_request_that_kills_its_workers_is_given_up(tagger):
    """Three times at most; others are answered meanwhile or afterwards."""
    again = serve_cell(
        "import os, signal\n"
        "def die() -> None:\n    os.kill(os.getpid(), signal.SIGKILL)\n"
        "def plus(a: int) -> int:\n    return a + 1",
        "tagger",
        timeout=30,
    )
    with pytest.raises(LeptonError, match="Workers died"):
        again.call("die")
    assert again.call("plus", a=1) == 2
