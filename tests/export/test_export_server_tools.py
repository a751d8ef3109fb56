"""The client and the REST server of tools/, on a real SavedModel. KServe and TensorFlow Serving are not run here."""

import asyncio
import base64
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis.predict_pb2 import PredictResponse
from tensorflow_serving.apis.prediction_service_pb2_grpc import (
    PredictionServiceServicer,
    add_PredictionServiceServicer_to_server,
)

from tfctc.export.saved_model import encode


@pytest.fixture(scope="module")
def files(images, facts):
    return list(encode(images[:4], facts))


@pytest.fixture
def answers(tool, version):
    return tool("serve_kserve").Answers(version)


def rows(files):
    return [{"image_bytes": {"b64": base64.b64encode(file).decode()}} for file in files]


def test_rows_are_answered_as_keras_answers(answers, files, images, keras_probability):
    expected = pytest.approx(keras_probability[:4], abs=1e-5)
    named = [{"brightfield": image.tolist()} for image in images[:4]]
    assert answers({"instances": named})["predictions"] == expected
    assert answers({"instances": images[:4].tolist()})["predictions"] == expected
    request = {"signature_name": "serving_bytes", "instances": rows(files)}
    assert answers(request)["predictions"] == expected == answers(json.dumps(request).encode())["predictions"]


def test_what_cannot_be_answered_is_said_clearly(tool, answers, images, facts, files):
    bad = tool("check_serving").malformed([json.dumps({"instances": rows(files)}).encode()], facts)
    del bad["100 MB"]  # that is the body limit's
    bad["NaN"] = {"instances": np.full((1, *facts.image_size, 1), np.nan).tolist()}
    said = {}
    for kind, request in bad.items():
        with pytest.raises(tool("serve_kserve").BadRequestError) as error:
            answers(request)
        said[kind] = str(error.value)
    assert said["truncated PNG"].startswith("Invalid PNG data")
    assert said["not a PNG"] == said["PNG header alone"] == "not a PNG file"
    assert said["PNG of another size"] == "24 x 20 px expected"
    assert said["colour PNG"] == "one grey channel expected, got a colour PNG"
    for kind in ("wrong shape", "ragged", "wrong dtype", "not a number", "NaN"):
        assert said[kind] == "row 0: numbers of shape 24 x 20 x 1 expected for input brightfield"
    assert said["raw counts"] == "numbers from 0 to 1 expected"
    assert said["not base64"] == "row 0: base64 strings expected for input image_bytes"
    assert said["unknown signature"] == "unknown signature 'train'; there are serving_default, serving_bytes"


@pytest.mark.parametrize(("size", "status"), [(10, 200), (11, 413)])
def test_a_body_beyond_the_limit_never_reaches_the_server(tool, size, status):
    parts = [{"type": "http.request", "body": b"x" * 5, "more_body": True},
             {"type": "http.request", "body": b"x" * (size - 5), "more_body": False}]  # fmt: skip
    sent = []

    async def app(scope, receive, send):
        body = (await receive())["body"] + (await receive())["body"]
        await send({"type": "http.response.start", "status": 200 if len(body) == size else 500})

    async def receive():
        return parts.pop(0)

    async def send(message):
        sent.append(message)

    asyncio.run(tool("serve_kserve").BodyLimit(app, most=10)({"type": "http"}, receive, send))
    assert sent[0]["status"] == status
    assert status == 200 or "11 bytes, at most 10" in json.loads(sent[1]["body"])["error"]


@pytest.fixture
def rest(answers, tool):
    """The documented REST interface, in front of the model."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            status, content = 200, None
            try:
                content = answers(self.rfile.read(int(self.headers["Content-Length"])))
            except tool("serve_kserve").BadRequestError as error:
                status, content = 400, {"error": str(error)}
            if self.path != "/v1/models/made-up:predict":
                status, content = 404, {"error": "no such model"}
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_the_client_asks_over_rest(tool, rest, files, keras_probability):
    client = tool("ask_server")
    assert client.ask_rest(rest, "made-up", files) == pytest.approx(keras_probability[:4], abs=1e-5)
    for name, sent, message in (("made-up", [b"no image"], "400.*not a PNG file"), ("x", files, "404.*no such model")):
        with pytest.raises(client.RefusedError, match=message):
            client.ask_rest(rest, name, sent)
    with pytest.raises(client.RefusedError, match="no answer from http://127.0.0.1:1"):
        client.ask_rest("http://127.0.0.1:1", "made-up", files)


def test_the_client_asks_over_grpc(tool, version, files, keras_probability):
    """Against a server with TensorFlow Serving's own service definition."""
    client, signatures = tool("ask_server"), tf.saved_model.load(str(version)).signatures

    class Service(PredictionServiceServicer):
        def Predict(self, request, context):  # noqa: N802, gRPC's name
            if request.model_spec.name != "made-up":
                context.abort(grpc.StatusCode.NOT_FOUND, "no such model")
            inputs = {name: tf.constant(tf.make_ndarray(value)) for name, value in request.inputs.items()}
            response = PredictResponse()
            for name, value in signatures[request.model_spec.signature_name](**inputs).items():
                response.outputs[name].CopyFrom(tf.make_tensor_proto(value.numpy()))
            return response

    server = grpc.server(ThreadPoolExecutor(1))
    add_PredictionServiceServicer_to_server(Service(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        found = client.ask_grpc(f"127.0.0.1:{port}", "made-up", files)
        assert found == pytest.approx(keras_probability[:4], abs=1e-5)
        with pytest.raises(client.RefusedError, match="NOT_FOUND: no such model"):
            client.ask_grpc(f"127.0.0.1:{port}", "other", files)
    finally:
        server.stop(None)
