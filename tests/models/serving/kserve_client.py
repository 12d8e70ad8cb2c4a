"""Asks an endpoint (URL TOKEN MODEL) by KServe's SDK about images that come as JSON on stdin.

It is a program of its own, for the SDK takes pandas 2, protobuf 6 and psutil 5, not what we have.
"""

import asyncio
import json
import sys

import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig


async def main(url: str, token: str, model: str) -> None:
    images = np.array(json.load(sys.stdin), "float32")
    headers = {"Authorization": f"Bearer {token}"}
    newer = InferenceRESTClient(RESTConfig(protocol="v2"))
    told = {
        "live": await newer.is_server_live(url, headers=headers),
        "ready": await newer.is_server_ready(url, headers=headers),
        "model": await newer.is_model_ready(url, model, headers=headers),
    }
    for binary in (False, True):
        given = InferInput("x", list(images.shape), "FP32")
        given.set_data_from_numpy(images, binary_data=binary)
        request = InferRequest(model_name=model, infer_inputs=[given])
        answer = await newer.infer(url, request, model_name=model, headers={**headers})
        told["binary" if binary else "json"] = answer.outputs[0].as_numpy().tolist()
    older = InferenceRESTClient(RESTConfig(protocol="v1"))
    answer = await older.infer(
        url, {"instances": images.tolist()}, model_name=model, headers=headers
    )
    told["v1"] = answer["predictions"]
    try:
        await newer.infer(url, request, model_name=model)
    except Exception as error:
        told["refused"] = str(error)
    print(json.dumps(told))


asyncio.run(main(*sys.argv[1:]))
