"""What endpoints are measured beside: LitServe, tornado with `model.predict`, the bare runtime.

LitServe holds the very runtime that the endpoint has, and batches, as its documentation advises,
up to 32 requests within a millisecond.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np


def loaded(runtime: str, folder: str, file: str) -> Any:
    from lepton_jlab.models.serving import runtimes
    from lepton_jlab.models.version import Version

    place = Path(folder)
    version = Version(place.parent.name, int(place.name), place)
    return runtimes.load(version, runtime, Path(file), 1)


def litserve(runtime: str, folder: str, file: str, port: int) -> None:
    """Serve with LitServe."""
    from litserve import LitServer

    from benchmarks.serving_lit import Served  # it goes to LitServe's worker by name

    api = Served(runtime, folder, file)
    server = LitServer(api, accelerator="cpu", workers_per_device=1, timeout=60)
    server.run(port=port, host="127.0.0.1", generate_client_file=False, log_level="error")


def tornado(file: str, port: int) -> None:
    """Serve `model.predict` with tornado."""
    import keras
    from tornado import web

    model = keras.models.load_model(file)

    class Handler(web.RequestHandler):
        def post(self) -> None:
            batch = np.asarray(json.loads(self.request.body)["instances"], "float32")
            self.write({"predictions": model.predict(batch, verbose=0).tolist()})

    async def serve() -> None:
        web.Application([("/predict", Handler)]).listen(port, "127.0.0.1")
        await asyncio.Event().wait()

    asyncio.run(serve())


def floor(runtime: str, folder: str, file: str) -> None:
    """Time one sample, so many times, whenever a line comes."""
    run = loaded(runtime, folder, file)
    picture = np.random.default_rng(0).integers(0, 255, (1, 28, 28, 1)).astype("float32")
    for _ in sys.stdin:
        taken = []
        for _ in range(500):
            start = time.perf_counter()
            run({"x": picture})
            taken.append(time.perf_counter() - start)
        print(json.dumps(taken), flush=True)


def main() -> None:
    """Do what the first word says."""
    kind, *words = sys.argv[1:]
    if kind == "floor":
        floor(*words)
    elif kind == "tornado":
        tornado(words[0], int(words[1]))
    else:
        litserve(*words[:-1], int(words[-1]))


if __name__ == "__main__":
    main()
