"""An ONNX export in ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lepton_jlab.models.serving.runtimes import Run, by_order
from lepton_jlab.models.serving.tensors import Array, Arrays
from lepton_jlab.models.version import Version


def load(version: Version, file: Path, threads: int) -> Run:
    """Load it."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # A thread that spins between two batches takes the core from who reads the next requests.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(
        str(file), options, providers=onnxruntime.get_available_providers()
    )
    names = [tensor["name"] for tensor in version.inputs]
    answers = [tensor["name"] for tensor in version.outputs]
    taken = by_order(names, [value.name for value in session.get_inputs()])
    given = by_order(answers, [value.name for value in session.get_outputs()])
    wanted = [given[name] for name in answers]

    def run(inputs: Arrays) -> Arrays:
        feed = {taken[name]: _text(inputs[name]) for name in names}
        return dict(zip(answers, session.run(wanted, feed), strict=True))

    return run


def _text(array: Array) -> Array:
    """ONNX Runtime takes text as str."""
    if array.dtype.kind != "O":
        return np.ascontiguousarray(array)
    flat = [v.decode() if isinstance(v, bytes) else v for v in array.reshape(-1).tolist()]
    return np.array(flat, object).reshape(array.shape)
