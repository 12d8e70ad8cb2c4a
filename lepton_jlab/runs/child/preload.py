"""What the fork server imports before its first fork, and how it stays fit to fork."""

from __future__ import annotations

import gc
import importlib
import os
import time
import traceback
from collections.abc import Sequence
from typing import Any

from lepton_jlab.runs.child import linux, streams

# While modules are imported: OpenBLAS and Arrow would start threads, and then nothing may fork.
_WITHOUT_THREADS = {
    "OPENBLAS_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}

# Figures are sent, not shown; nobody turns the pages of a help text.
_NO_TERMINAL = {
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "PAGER": "cat",
    "GIT_PAGER": "cat",
}

# What a first `fit` on a dataset would import.
_COMPANIONS = {
    "tensorflow": (
        "tensorflow.python.data.ops.flat_map_op",
        "tensorflow.python.data.ops.from_tensors_op",
        "tensorflow.python.data.ops.range_op",
        "tensorflow.python.data.ops.zip_op",
        "tensorboard.compat.proto.event_pb2",
        "tensorboard.summary.writer.record_writer",
        "zarr",
    ),
}


def preload(names: Sequence[str]) -> dict[str, Any]:
    """Import modules and make the shell, all that a run may need and that may be forked.

    TensorFlow is imported and no more: once it has a context, or has looked for GPUs, it works in
    no child.
    """
    start = time.monotonic()
    before = {name: os.environ.get(name) for name in _WITHOUT_THREADS}
    os.environ.update(_WITHOUT_THREADS)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.update(_NO_TERMINAL)
    loaded = [name for name in names if _import(name)] if linux.LINUX else []
    for name in loaded:
        for companion in _COMPANIONS.get(name, ()):
            _import(companion)
    if linux.LINUX:
        from lepton_jlab.runs.child import life, shell

        life.get_ready()
        shell.warm_up()
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value
    gc.collect()
    gc.freeze()  # a collection in a child would write to, and so copy, every page
    linux.fold_memory()
    threads = linux.threads()
    print(f"Fork server {os.getpid()} is ready after {time.monotonic() - start:.1f} s:", *loaded)
    if len(threads) > 1:
        print("IT HAS MORE THAN ONE THREAD, SO CHILDREN MAY HANG. The threads:", *threads)
    streams.flush()
    return {"pid": os.getpid(), "preloaded": loaded, "threads": threads}


def _import(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError as error:
        print(f"Not preloaded: {name} ({error})")
        return False
    except Exception:  # noqa: BLE001  (a broken package costs its users alone)
        print(f"Not preloaded: {name}")
        traceback.print_exc()
        return False
    return True
