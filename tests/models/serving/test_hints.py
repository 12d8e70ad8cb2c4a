"""Type hints of serving cells: what JSON becomes, what is refused, what the schema says."""

from __future__ import annotations

import enum
import json
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypedDict

import jsonschema
import numpy as np
import pytest
from numpy.typing import NDArray

from lepton_jlab.errors import UsageError
from lepton_jlab.models.serving.cells import batched
from lepton_jlab.models.serving.cells.functions import Function
from lepton_jlab.models.serving.cells.hints import hint_of
from lepton_jlab.models.serving.tensors import RefusedError


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Box:
    x: int
    tags: list[str] = field(default_factory=list)


class Options(TypedDict, total=False):
    limit: int


GOOD = [
    (int, 3, 3),
    (float, 3, 3.0),
    (bool, True, True),
    (str, "a", "a"),
    (bytes, "AAE=", b"\x00\x01"),
    (Any, {"a": [1]}, {"a": [1]}),
    (list[int], [1, 2], [1, 2]),
    (list, [1, "a"], [1, "a"]),
    (tuple[int, str], [1, "a"], (1, "a")),
    (tuple[float, ...], [1, 2], (1.0, 2.0)),
    (dict[str, float], {"a": 1}, {"a": 1.0}),
    (int | None, None, None),
    (int | str, "a", "a"),
    (Literal["a", 1], 1, 1),
    (Annotated[int, "years"], 3, 3),
    (Colour, "red", Colour.RED),
    (Box, {"x": 1}, Box(1)),
    (Box, {"x": 1, "tags": ["a"]}, Box(1, ["a"])),
    (Options, {}, {}),
    (list[Box | None], [{"x": 1}, None], [Box(1), None]),
]
BAD = [
    (int, 1.5, "1.5 is not a whole number"),
    (int, True, "true is not a whole number"),
    (int, "1", "not a whole number"),
    (float, "1", "not a number"),
    (str, 1, "not text"),
    (bytes, "?", "not base64"),
    (bytes, 3, "not base64"),
    (list[int], [1, "a"], 'here[1]: "a" is not a whole number'),
    (list[int], {}, "not a list"),
    (tuple[int, str], [1], "not a list of 2"),
    (dict[str, int], {"a": "b"}, "here.a:"),
    (Literal["a", "b"], "c", 'not one of "a", "b"'),
    (Colour, "blue", 'not one of "red"'),
    (int | None, "a", "not a whole number; or"),
    (Box, {}, "needs 'x'"),
    (Box, {"x": 1, "y": 2}, "does not take 'y'; it takes 'x', 'tags'"),
    (Box, [1], "not an object"),
]


@pytest.mark.parametrize(("kind", "given", "value"), GOOD)
def test_what_json_becomes(kind, given, value):
    hint = hint_of(kind, "here")
    assert hint.read(given, "here") == value
    assert type(hint.read(given, "here")) is type(value)
    jsonschema.validate(given, hint.schema)


@pytest.mark.parametrize(("kind", "given", "said"), BAD)
def test_what_is_refused_by_the_hint_and_by_its_schema(kind, given, said):
    hint = hint_of(kind, "here")
    with pytest.raises(RefusedError) as error:
        hint.read(given, "here")
    assert said in str(error.value)
    if kind is not bytes:  # contentEncoding is an annotation
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(given, hint.schema)


def test_arrays_have_the_dtype_of_their_hint():
    assert hint_of(np.ndarray, "x").read([[1, 2]], "x").shape == (1, 2)
    read = hint_of(NDArray[np.float32], "x").read
    assert read([1, 2], "x").dtype == np.float32
    for wrong, said in (([[1], [1, 2]], "differ in length"), (["a"], "nested lists of numbers")):
        with pytest.raises(RefusedError, match=said):
            read(wrong, "x")
    with pytest.raises(RefusedError, match="nested lists of int64"):
        hint_of(NDArray[np.int64], "x").read([1.5], "x")


def test_a_type_that_json_cannot_give_is_refused_when_the_cell_is_served():
    def bad(when: complex):
        pass

    with pytest.raises(UsageError, match=r"Parameter 'when' of bad\(\) has the type complex"):
        Function(bad)

    def rest(*values: int):
        pass

    with pytest.raises(UsageError, match="make it a plain one"):
        Function(rest)


def add(a: int, b: int = 2) -> int:
    """Add.

    More on it.
    """
    return a + b


def call(function, **arguments):
    made = Function(function)
    reply = made.call(made.read(json.dumps(arguments).encode()))
    return reply.status, json.loads(reply.body)


def test_a_function_takes_an_object_and_gives_json():
    assert call(add, a=1) == (200, 3)
    assert call(add, a=1, b=1) == (200, 2)
    facts = Function(add).facts()
    assert facts["about"] == "Add."
    assert facts["takes"]["required"] == ["a"]
    assert facts["gives"] == {"type": "integer"}


def test_results_may_be_arrays_dataclasses_and_what_they_hold():
    def result():
        values = np.arange(4, dtype="float32").reshape(2, 2)
        return {"box": Box(1), "t": values.T, "n": np.float32(0.5), "s": {"a"}, "b": b"\x00"}

    answer = {"box": {"x": 1, "tags": []}, "t": [[0, 2], [1, 3]], "n": 0.5, "s": ["a"], "b": "AA=="}
    assert call(result) == (200, answer)


def test_what_a_function_raises_is_status_500_and_a_usage_error_400(capsys):
    def fails(how: str):
        raise UsageError("Give a picture.") if how == "usage" else ZeroDivisionError("by zero")

    assert call(fails, how="usage") == (400, {"error": "Give a picture."})
    assert call(fails, how="other") == (
        500,
        {"error": "fails() failed: ZeroDivisionError: by zero"},
    )
    assert "Traceback" in capsys.readouterr().err


def test_a_result_that_is_no_json_is_status_500():
    def strange():
        return object()

    assert call(strange)[0] == 500


def test_a_batched_function_gets_the_values_of_all_requests():
    seen = []

    @batched
    def double(numbers: list[int], images: np.ndarray) -> np.ndarray:
        seen.append((numbers, images.shape))
        return images.sum(axis=1)

    made = Function(double)
    assert made.facts()["takes"]["properties"]["numbers"] == {"type": "integer"}
    several = [made.read(json.dumps({"numbers": k, "images": [k, k]}).encode()) for k in range(3)]
    replies = made.call_together(several)
    assert seen == [([0, 1, 2], (3, 2))]
    assert [json.loads(reply.body) for reply in replies] == [0, 2, 4]


def test_of_a_batch_only_the_request_at_fault_fails():
    @batched
    def inverse(values: list[float]) -> list[float]:
        return [1 / value for value in values]

    made = Function(inverse)
    replies = made.call_together([{"values": 1.0}, {"values": 0.0}, {"values": 2.0}])
    assert [reply.status for reply in replies] == [200, 500, 200]


def test_a_batched_function_that_returns_too_few_says_so():
    @batched
    def forgets(values: list[int]) -> list[int]:
        return []

    [reply] = Function(forgets).call_together([{"values": 1}])
    assert reply.status == 500


def test_a_batched_function_takes_lists_only():
    @batched
    def wrong(value: int) -> int:
        return value

    with pytest.raises(UsageError, match="takes lists or arrays"):
        Function(wrong)
