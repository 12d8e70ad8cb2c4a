"""The API that LitServe serves in `benchmarks.serving`."""

from __future__ import annotations

from typing import Any

import litserve
import numpy as np

from benchmarks.serving_peers import loaded


class Served(litserve.LitAPI):  # type: ignore[misc]
    """The runtime that the endpoint has, for up to 32 requests that come within a millisecond."""

    def __init__(self, runtime: str, folder: str, file: str) -> None:
        super().__init__(max_batch_size=32, batch_timeout=0.001)
        self._what = (runtime, folder, file)

    def setup(self, device: str) -> None:  # noqa: ARG002
        """Load it, in LitServe's worker."""
        self.run = loaded(*self._what)

    def decode_request(self, request):  # type: ignore[no-untyped-def]  # FastAPI reads hints
        return np.asarray(request["instances"][0], "float32")

    def batch(self, inputs: list[Any]) -> Any:
        return np.stack(inputs)

    def predict(self, batch: Any) -> Any:
        return self.run({"x": batch})["y"]

    def unbatch(self, output: Any) -> Any:
        return list(output)

    def encode_response(self, output: Any) -> dict[str, Any]:
        return {"predictions": [output.tolist()]}
