"""Client of a model server: TensorFlow Serving over REST or gRPC, or a server with the same interface.

    python tools/examples/ask_server.py cell_1.png cell_2.png --name ctc --rest http://localhost:8501
    python tools/examples/ask_server.py cell_1.png cell_2.png --name ctc --grpc localhost:8500

gRPC needs `pip install -e '.[train]'`. The images are grey PNG files of the model's bit depth. They have the model's
size, or any size if the model's manifest.json says crop_or_pad. They have the model's micrometres per pixel, which the
server cannot check. The files are sent unchanged. For each file one line is printed: the probability of the positive
class, and the path.
"""

import argparse
import base64
import http.client
import json
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path

SIGNATURE, INPUT, OUTPUT = "serving_bytes", "image_bytes", "probability"


class RefusedError(Exception):
    """A request that the server refused or did not answer; the message is the server's."""


def _positive(output: float | list[float]) -> float:
    """The probability of the positive class; a model with the class other gives that of three classes."""
    return float(output[1] if isinstance(output, list) else output)


def ask_rest(url: str, name: str, images: Sequence[bytes], timeout: float = 60) -> list[float]:
    """The probability of each image, from POST ``{url}/v1/models/{name}:predict``.

    Raises:
        RefusedError: the server refuses, or is not there.
    """
    rows = [{INPUT: {"b64": base64.b64encode(image).decode()}} for image in images]
    body = json.dumps({"signature_name": SIGNATURE, "instances": rows}).encode()
    try:
        path = f"{url}/v1/models/{urllib.parse.quote(name)}:predict"
        request = urllib.request.Request(path, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=timeout) as response:
            found = [_positive(p) for p in json.load(response)["predictions"]]
        if len(found) != len(images):
            raise ValueError(f"{len(found)} answers to {len(images)} images")
        return found
    except urllib.error.HTTPError as error:
        raise RefusedError(f"{error.code}: {error.read(2000).decode(errors='replace')}") from None
    except (OSError, ValueError, KeyError, TypeError, http.client.HTTPException) as error:
        raise RefusedError(f"no answer from {url}: {error}") from None


def ask_grpc(address: str, name: str, images: Sequence[bytes], timeout: float = 60) -> list[float]:
    """The probability of each image, from PredictionService.Predict at ``host:port``.

    Raises:
        RefusedError: the server refuses, or is not there.
    """
    import grpc
    import tensorflow as tf
    from tensorflow_serving.apis.predict_pb2 import PredictRequest
    from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

    request = PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = name, SIGNATURE
    request.inputs[INPUT].CopyFrom(tf.make_tensor_proto(list(images), tf.string))
    with grpc.insecure_channel(address) as channel:
        try:
            answer = PredictionServiceStub(channel).Predict(request, timeout=timeout)
            return [_positive(p) for p in tf.make_ndarray(answer.outputs[OUTPUT]).tolist()]
        except grpc.RpcError as error:
            raise RefusedError(f"{error.code().name}: {error.details()}") from None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", nargs="+", type=Path, metavar="PNG")
    parser.add_argument("--name", required=True, help="name of the model on the server")
    server = parser.add_mutually_exclusive_group(required=True)
    server.add_argument("--rest", metavar="URL")
    server.add_argument("--grpc", metavar="HOST:PORT")
    args = parser.parse_args()
    try:
        images = [path.read_bytes() for path in args.images]
        ask, where = (ask_rest, args.rest.rstrip("/")) if args.rest else (ask_grpc, args.grpc)
        probabilities = ask(where, args.name, images)
    except (OSError, RefusedError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    for probability, path in zip(probabilities, args.images, strict=True):
        print(f"{probability:.6f} {path}")


if __name__ == "__main__":
    main()
