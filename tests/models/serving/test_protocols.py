"""What the protocols take and answer, word for word, without HTTP."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lepton_jlab.models.serving import openinference, tfserving
from lepton_jlab.models.serving.engine import Engine
from lepton_jlab.models.serving.tensors import Signature, Tensor

ONE = Signature(
    "one",
    3,
    (Tensor("x", (None, 2), "float32"),),
    (Tensor("y", (None, 2), "float32"),),
    ("cat", "dog"),
)
SCALAR = Signature(
    "half", 1, (Tensor("x", (None, 1), "float32"),), (Tensor("y", (None, 1), "float32"),)
)
TWO = Signature(
    "two",
    1,
    (Tensor("n", (None, None), "int32"), Tensor("text", (None,), "string")),
    (Tensor("sum", (None,), "int64"), Tensor("raw_bytes", (None,), "string")),
)


def engine(signature):
    def one(inputs):
        return {"y": inputs["x"] / 2 + 2}

    def two(inputs):
        return {"sum": inputs["n"].sum(axis=1, dtype="int64"), "raw_bytes": inputs["text"]}

    return Engine(signature, two if signature is TWO else one)


def ask(signature, verb, document, header=-1):
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    [reply], _ = engine(signature).answer([(verb, body, header)])
    return reply


def answer(signature, verb, document):
    reply = ask(signature, verb, document)
    assert reply.status == 200, reply.body
    return json.loads(reply.body)


# ---- TensorFlow Serving


@pytest.mark.parametrize(
    ("signature", "asked", "answered"),
    [
        (ONE, {"instances": [[1, 2], [3, 4]]}, {"predictions": [[2.5, 3], [3.5, 4]]}),
        (ONE, {"instances": [{"x": [1, 2]}]}, {"predictions": [[2.5, 3]]}),
        (ONE, {"inputs": [[1, 2]]}, {"outputs": [[2.5, 3]]}),
        (ONE, {"inputs": {"x": [[1, 2]]}}, {"outputs": [[2.5, 3]]}),
        (ONE, {"signature_name": "serving_default", "inputs": [[1, 2]]}, {"outputs": [[2.5, 3]]}),
        # the request that TensorFlow Serving documents for half_plus_three
        (SCALAR, {"instances": [1.0, 2.0, 5.0]}, {"predictions": [2.5, 3.0, 4.5]}),
        (SCALAR, {"instances": [[1.0]]}, {"predictions": [[2.5]]}),
        (
            TWO,
            {"instances": [{"n": [1, 2], "text": "a"}, {"n": [3, 4], "text": {"b64": "/w=="}}]},
            {
                "predictions": [
                    {"sum": 3, "raw_bytes": {"b64": "YQ=="}},
                    {"sum": 7, "raw_bytes": {"b64": "/w=="}},
                ]
            },
        ),
        (
            TWO,
            {"inputs": {"n": [[1], [2]], "text": ["a", "b"]}},
            {"outputs": {"sum": [1, 2], "raw_bytes": [{"b64": "YQ=="}, {"b64": "Yg=="}]}},
        ),
    ],
)
def test_predict(signature, asked, answered):
    assert answer(signature, "predict", asked) == answered


def test_classify_names_the_classes_in_their_order():
    asked = {"context": {}, "examples": [{"x": [0, 2]}, {"x": [4, 0]}]}
    result = [[["cat", 2.0], ["dog", 3.0]], [["cat", 4.0], ["dog", 2.0]]]
    assert answer(ONE, "classify", asked) == {"result": result}


def test_features_of_the_context_are_those_of_all_examples():
    asked = {"context": {"x": [0, 0]}, "examples": [{}, {"x": [2, 2]}]}
    scores = [[score for _, score in row] for row in answer(ONE, "classify", asked)["result"]]
    assert scores == [[2.0, 2.0], [3.0, 3.0]]


def test_regress_has_one_number_a_sample():
    asked = {"examples": [{"x": 1.0}, {"x": [5.0]}]}
    with_list = {"examples": [{"x": [1.0]}, {"x": [5.0]}]}
    assert answer(SCALAR, "regress", with_list) == {"result": [2.5, 4.5]}
    assert ask(SCALAR, "regress", asked).status == 400  # 1.0 and [5.0] are no array


def test_status_and_metadata_are_those_of_tensorflow_serving():
    assert tfserving.status(ONE) == {
        "model_version_status": [
            {
                "version": "3",
                "state": "AVAILABLE",
                "status": {"error_code": "OK", "error_message": ""},
            }
        ]
    }
    described = tfserving.metadata(ONE)
    assert described["model_spec"] == {"name": "one", "signature_name": "", "version": "3"}
    definition = described["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert definition["method_name"] == "tensorflow/serving/predict"
    assert definition["inputs"]["x"] == {
        "dtype": "DT_FLOAT",
        "tensor_shape": {
            "dim": [{"size": "-1", "name": ""}, {"size": "2", "name": ""}],
            "unknown_rank": False,
        },
        "name": "x",
    }


# ---- the Open Inference Protocol


def tensor(**changes):
    return {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2], **changes}


def test_infer_with_json():
    document = answer(ONE, "infer", {"id": "a7", "inputs": [tensor()]})
    assert document == {
        "model_name": "one",
        "model_version": "3",
        "id": "a7",
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [1, 2], "data": [2.5, 3.0]}],
    }


def test_data_may_be_nested():
    nested = tensor(shape=[2, 2], data=[[1, 2], [3, 4]])
    outputs = answer(ONE, "infer", {"inputs": [nested]})["outputs"]
    assert outputs[0]["data"] == [2.5, 3.0, 3.5, 4.0]


def binary(document, *parts):
    head = json.dumps(document).encode()
    return b"".join([head, *parts]), len(head)


def test_binary_tensors_both_ways():
    values = np.array([[1, 2], [3, 4]], "float32")
    one = {"name": "x", "shape": [2, 2], "datatype": "FP32"}
    one["parameters"] = {"binary_data_size": values.nbytes}
    asked = {"inputs": [one], "outputs": [{"name": "y", "parameters": {"binary_data": True}}]}
    body, header = binary(asked, values.tobytes())
    reply = ask(ONE, "infer", body, header)
    size = int(dict(reply.headers)[b"inference-header-content-length"])
    assert json.loads(reply.body[:size])["outputs"][0]["parameters"] == {"binary_data_size": 16}
    assert np.frombuffer(reply.body[size:], "float32").tolist() == [2.5, 3.0, 3.5, 4.0]


def test_text_travels_with_its_length():
    texts = b"\x02\x00\x00\x00ab\x00\x00\x00\x00"
    inputs = [
        {"name": "n", "shape": [2, 1], "datatype": "INT32", "data": [1, 2]},
        {
            "name": "text",
            "shape": [2],
            "datatype": "BYTES",
            "parameters": {"binary_data_size": len(texts)},
        },
    ]
    asked = {"inputs": inputs, "parameters": {"binary_data_output": True}}
    reply = ask(TWO, "infer", *binary(asked, texts))
    assert reply.status == 200, reply.body
    assert reply.body.endswith(texts)


def test_classification_of_triton():
    asked = {
        "inputs": [tensor()],
        "outputs": [{"name": "y", "parameters": {"classification": 1}}],
    }
    [output] = answer(ONE, "infer", asked)["outputs"]
    assert output == {
        "name": "y", "datatype": "BYTES", "shape": [1, 1], "data": ["3.000000:1:dog"],
    }  # fmt: skip


def test_metadata_of_the_open_protocol():
    assert openinference.metadata(ONE)["inputs"] == [
        {"name": "x", "datatype": "FP32", "shape": [-1, 2]}
    ]


# ---- what is wrong

NAN = float("nan")
BAD = [
    ("predict", b"{", "not JSON"),
    ("predict", b"", "not JSON"),
    ("predict", b"\xff\xfe", "not JSON"),
    ("predict", b"[" * 100_000, "not JSON"),
    ("predict", [1, 2], "not a JSON object"),
    ("predict", {}, "neither of 'instances'"),
    ("predict", {"instances": [[1, 2]], "inputs": [[1, 2]]}, "both of 'instances'"),
    ("predict", {"instances": []}, "one sample or more"),
    ("predict", {"instances": 3}, "not a list"),
    (
        "predict",
        {"instances": [[1, 2, 3]]},
        "takes float32 (*, 2); the request has the shape (1, 3)",
    ),
    ("predict", {"instances": [[1, 2], [3]]}, "differ in length"),
    ("predict", {"instances": [["a", "b"]]}, "the request has text"),
    ("predict", {"instances": [[1, None]]}, "null or mixed"),
    ("predict", {"instances": [[True, False]]}, "true or false"),
    ("predict", {"instances": [[1, NAN]]}, "is nan at [0, 1]"),
    ("predict", {"instances": [[1, 1e39]]}, "is inf at [0, 1]"),
    ("predict", {"instances": [{"z": [1, 2]}]}, "does not have just the inputs ['x']"),
    ("predict", {"inputs": {"z": [[1, 2]]}}, "no input 'z'. It takes: 'x'"),
    ("predict", {"signature_name": "train", "instances": [[1, 2]]}, '"train" not found'),
    ("classify", {"instances": [[1, 2]]}, "no 'examples'"),
    ("classify", {"examples": [3]}, "objects"),
    ("regress", {"examples": [{"x": [1, 2]}]}, "not one number a sample"),
    ("infer", {}, "no 'inputs'"),
    ("infer", {"inputs": [tensor(name="z")]}, "no input 'z'"),
    ("infer", {"inputs": [tensor(), tensor()]}, "given twice"),
    ("infer", {"inputs": []}, "'x' is missing"),
    ("infer", {"inputs": [tensor(datatype="INT64")]}, "INT64 in the request; the model takes FP32"),
    ("infer", {"inputs": [tensor(datatype=None)]}, "the model takes FP32"),
    ("infer", {"inputs": [tensor(shape=[1, 3])]}, "has 2 values; its shape (1, 3) needs 3"),
    ("infer", {"inputs": [tensor(shape=[3, 1], data=[1, 2, 3])]}, "has the shape (3, 1)"),
    ("infer", {"inputs": [tensor(shape=[-1, 2])]}, "not a whole number"),
    ("infer", {"inputs": [tensor(shape=[2**62, 2**62])]}, "needs"),
    ("infer", {"inputs": [tensor(shape=[0, 2], data=[])]}, "no samples"),
    ("infer", {"inputs": [tensor(data=[1, NAN])]}, "is nan at [0, 1]"),
    ("infer", {"inputs": [tensor(data=["1", "2"])]}, "text"),
    ("infer", {"inputs": [{**tensor(), "data": None}]}, "null"),
    ("infer", {"inputs": [tensor()], "outputs": [{"name": "z"}]}, "no output 'z'"),
    ("infer", {"inputs": [tensor(parameters={"binary_data_size": 8})]}, "0 bytes are left"),
    ("infer", {"inputs": [tensor(parameters=3)]}, "not an object"),
]


@pytest.mark.parametrize(("verb", "asked", "said"), BAD)
def test_what_is_wrong_is_status_400_and_one_sentence(verb, asked, said):
    signature = SCALAR if asked == {"examples": [{"x": 3}]} else ONE
    reply = ask(signature, verb, asked)
    assert reply.status == 400
    document = json.loads(reply.body)
    assert list(document) == ["error"]
    assert said in document["error"]
    assert document["error"].endswith(".")


@pytest.mark.parametrize(
    ("size", "sent", "header", "said"),
    [
        (16, 8, None, "8 bytes are left"),
        (8, 16, None, "8 bytes of the body belong to no input"),
        (7, 7, None, "no whole float32s"),
        (8, 8, 10_000, "says 10000"),
    ],
)
def test_binary_tensors_of_the_wrong_size(size, sent, header, said):
    one = {"name": "x", "shape": [1, 2], "datatype": "FP32"}
    body, length = binary(
        {"inputs": [{**one, "parameters": {"binary_data_size": size}}]}, bytes(sent)
    )
    reply = ask(ONE, "infer", body, header or length)
    assert reply.status == 400
    assert said in json.loads(reply.body)["error"]


def test_integers_that_do_not_fit_and_fractions_are_refused():
    for numbers, said in (([[2**40]], "-2147483648 to"), ([[1.5]], "fractions")):
        reply = ask(TWO, "predict", {"inputs": {"n": numbers, "text": ["a"]}})
        assert said in json.loads(reply.body)["error"]


def test_inputs_with_different_numbers_of_samples_are_refused():
    reply = ask(TWO, "predict", {"inputs": {"n": [[1], [2]], "text": ["a"]}})
    assert "'n' 2, 'text' 1" in json.loads(reply.body)["error"]


def test_nan_passes_where_that_was_asked_for_and_comes_back_as_a_token():
    lenient = Signature("one", 3, ONE.inputs, ONE.outputs, not_finite=True)
    reply = ask(lenient, "predict", b'{"instances": [[NaN, Infinity]]}')
    assert reply.body == b'{"predictions": [[NaN, Infinity]]}'


# ---- many together


def test_a_wrong_request_does_not_harm_those_beside_it():
    good = json.dumps({"instances": [[1, 2]]}).encode()
    jobs = [("predict", good, -1), ("predict", b"{", -1), ("predict", good, -1)]
    replies, rows = engine(ONE).answer(jobs)
    assert [reply.status for reply in replies] == [200, 400, 200]
    assert rows == 2


def test_requests_are_run_together_and_each_gets_its_own_rows():
    ran = []

    def run(inputs):
        ran.append(len(inputs["x"]))
        return {"y": inputs["x"]}

    jobs = [
        ("predict", json.dumps({"instances": [[k, k]] * (k + 1)}).encode(), -1) for k in range(5)
    ]
    replies, _ = Engine(ONE, run).answer(jobs)
    assert ran == [15]
    for k, reply in enumerate(replies):
        assert json.loads(reply.body) == {"predictions": [[k, k]] * (k + 1)}


def test_a_large_request_is_run_in_parts():
    ran = []

    def run(inputs):
        ran.append(len(inputs["x"]))
        return {"y": inputs["x"]}

    body = json.dumps({"instances": [[k, 0] for k in range(300)]}).encode()
    [reply], rows = Engine(ONE, run).answer([("predict", body, -1)])
    assert max(ran) == 128
    assert rows == 300
    assert [row[0] for row in json.loads(reply.body)["predictions"]] == list(range(300))


def test_the_request_that_the_model_fails_at_is_found():
    def run(inputs):
        if (inputs["x"] == 13).any():
            raise ArithmeticError("thirteen")
        return {"y": inputs["x"]}

    bodies = [json.dumps({"instances": [[k, 0]]}).encode() for k in (1, 13, 2)]
    replies, _ = Engine(ONE, run).answer([("predict", body, -1) for body in bodies])
    assert [reply.status for reply in replies] == [200, 500, 200]
    assert "ArithmeticError: thirteen" in json.loads(replies[1].body)["error"]


def test_the_recipe_prepares_what_clients_send():
    raw = Signature("raw", 1, (Tensor("x", (None, 2), "uint8"),), ONE.outputs)

    def prepare(inputs):
        return {"x": inputs["x"] / np.float32(255)}

    made = Engine(raw, lambda inputs: {"y": inputs["x"]}, prepare)
    [reply], _ = made.answer([("predict", b'{"instances": [[0, 255]]}', -1)])
    assert json.loads(reply.body) == {"predictions": [[0.0, 1.0]]}
