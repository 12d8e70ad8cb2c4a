"""The words of GPUs: of a cluster of them, and of a run on them."""

from __future__ import annotations

from lepton_jlab.grammar.words import Option, option
from lepton_jlab.readers import positive, words

CUDA: tuple[Option, ...] = (
    option(
        "--gpus",
        metavar="0,1",
        help="cuda: these GPUs: all, numbers or UUIDs, one worker each (default: all)",
        read=words,
        choices=("all",),
    ),
    option(
        "--slots-per-gpu",
        metavar="K",
        help="cuda: K runs share a GPU, each with 1/K of its memory (default: 1)",
        read=positive,
    ),
    option(
        "--device-memory-limit",
        metavar="SIZE",
        help="cuda: Dask's own results on a GPU go to main memory beyond this: 16GB, 0.8",
    ),
    option(
        "--rmm-pool-size",
        metavar="SIZE",
        help="cuda: each run that uses RMM begins with a pool of this size: 8GB, 0.5",
    ),
    Option(("--enable-cudf-spill",), "cuda: cuDF in runs spills to main memory", read=None),
    option("--protocol", metavar="tls", help="cuda: of connections; always encrypted"),
)

RUN: tuple[Option, ...] = (
    option("--gpus", metavar="N", help="so many GPUs of one machine (default: 1)", read=positive),
    option(
        "--precision",
        metavar="POLICY",
        help="what Keras computes in: float32, mixed_float16, mixed_bfloat16, bfloat16, …",
    ),
)
