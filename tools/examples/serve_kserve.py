"""Server for an exported SavedModel, with the REST interface of TensorFlow Serving.

    pip install -e '.[train]' kserve
    python tools/examples/serve_kserve.py exports/ctc/1 --port 8501
    python tools/examples/ask_server.py cell.png --name ctc --rest http://localhost:8501

It is an alternative where TensorFlow Serving is not available: KServe's Python server, with TensorFlow as the runtime.
POST /v1/models/NAME:predict takes {"signature_name": ..., "instances": [...]} and returns {"predictions": [...]}. A
request that is not valid gets a status 4xx with {"error": "what was expected"}.
"""

import argparse
import base64
import binascii
import json
import re
import sys
from pathlib import Path

import numpy as np

from tfctc.errors import TfctcError
from tfctc.inference.verify import check_files
from tfctc.io.record import VERSION_MANIFEST

ROW_KEY, DEFAULT, BATCH = "b64", "serving_default", 32


class BadRequestError(ValueError):
    """A request that is not valid; the message says what was expected."""


def instances(request: object) -> tuple[str, list]:
    """The signature and the rows of a request.

    Raises:
        BadRequestError: not a request of the documented form.
    """
    if isinstance(request, bytes):
        try:
            request = json.loads(request)
        except ValueError as error:
            raise BadRequestError(f"the body is not JSON ({error})") from None
    if not isinstance(request, dict) or not isinstance(request.get("instances"), list) or not request["instances"]:
        raise BadRequestError('{"instances": [...]} expected, with a row or more')
    return request.get("signature_name", DEFAULT), request["instances"]


def column(rows: list, name: str, dtype: type, shape: tuple[int | None, ...]) -> np.ndarray:
    """Array ``(N, ...)`` of the rows for input `name`. A row is the value or {name: value}; bytes are {"b64": ...}.

    Raises:
        BadRequestError: a row of another kind, shape or type.
    """
    sides = " x ".join("any" if side is None else str(side) for side in shape[1:])
    wanted = "base64 strings" if dtype is object else f"numbers of shape {sides}"
    wanted += ", the same in all rows," if None in shape[1:] else ""
    values = []
    for i, row in enumerate(rows):
        value = row[name] if isinstance(row, dict) and set(row) == {name} else row
        try:
            if dtype is object:
                values.append(base64.b64decode(value[ROW_KEY], validate=True))
            else:
                values.append(np.asarray(value).astype(dtype, casting="same_kind"))
                sizes = zip(values[-1].shape, shape[1:], strict=True)
                fits = all(want in (None, have) for have, want in sizes) and values[-1].shape == values[0].shape
                if not fits or not np.isfinite(values[-1]).all():
                    raise ValueError
        except (TypeError, KeyError, ValueError, IndexError, binascii.Error):
            raise BadRequestError(f"row {i}: {wanted} expected for input {name}") from None
    if dtype is object:
        found = np.empty(len(values), object)
        found[:] = values
        return found
    return np.stack(values)


class Answers:
    """The SavedModel in a version folder, with JSON requests and responses."""

    def __init__(self, folder: Path):
        import tensorflow as tf

        self._tf = tf
        self.folder, self.name = folder, check_files(folder)["name"]
        self._model = tf.saved_model.load(str(folder))

    def __call__(self, request: object) -> dict[str, list]:
        """The response {"predictions": ...} to a request in JSON, as bytes or parsed.

        Raises:
            BadRequestError: the request is not valid.
        """
        signature, rows = instances(request)
        if not isinstance(signature, str) or signature not in self._model.signatures:
            raise BadRequestError(f"unknown signature {signature!r}; there are {', '.join(self._model.signatures)}")
        network = self._model.signatures[signature]
        ((name, spec),) = network.structured_input_signature[1].items()
        dtype = object if spec.dtype == self._tf.string else np.float32
        values, found = column(rows, name, dtype, tuple(spec.shape)), []
        try:
            # In batches, because a request of small PNG files may need much memory for feature maps.
            for i in range(0, len(values), BATCH):
                answer = network(**{name: self._tf.constant(values[i : i + BATCH])})
                found += answer["probability"].numpy().tolist()
        except self._tf.errors.InvalidArgumentError as error:
            own = re.search(r"tfctc: ([^]\n]+)", error.message)
            # TensorFlow's message ends where the node of the graph is named.
            said = own[1] if own else error.message.split("\n\t [[")[0].splitlines()[-1]
            raise BadRequestError(said) from None
        return {"predictions": found}


class BodyLimit:
    """ASGI middleware that answers a request body of more than `most` bytes with status 413, without storing it."""

    def __init__(self, app, most: int):
        self.app, self.most = app, most

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        messages, size = [], 0
        while True:
            message = await receive()
            size += len(message.get("body", b""))
            if size <= self.most:
                messages.append(message)
            if message["type"] != "http.request" or not message.get("more_body"):
                break
        if size <= self.most:
            waiting = iter(messages)

            async def again():
                return next(waiting, None) or await receive()

            return await self.app(scope, again, send)
        text = json.dumps({"error": f"the body has {size} bytes, at most {self.most} are taken"}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(text)).encode())]
        await send({"type": "http.response.start", "status": 413, "headers": headers})
        await send({"type": "http.response.body", "body": text})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("version", type=Path, help=f"folder with {VERSION_MANIFEST}")
    parser.add_argument("--port", type=int, default=8501)
    parser.add_argument("--most-bytes", type=int, default=16_000_000, help="largest size of a request body")
    args = parser.parse_args()
    try:
        answers = Answers(args.version)
    except (TfctcError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)

    # Importing kserve reads the command line.
    sys.argv = sys.argv[:1]
    from kserve import Model, ModelServer
    from kserve.errors import InvalidInput
    from kserve.model_server import app

    class Served(Model):
        """The model for KServe. It predicts in the server's only thread, because a cell takes a few milliseconds."""

        def predict(self, payload, headers=None, response_headers=None):
            try:
                return answers(payload)
            except BadRequestError as error:
                raise InvalidInput(str(error)) from None

    app.add_middleware(BodyLimit, most=args.most_bytes)
    model = Served(answers.name)
    model.load()
    print(f"Serving {args.version} as {answers.name}", flush=True)
    ModelServer(http_port=args.port, enable_grpc=False, workers=1).start([model])


if __name__ == "__main__":
    main()
