"""The client and the REST server of tools/examples, on a real SavedModel, without KServe and TensorFlow Serving."""

import asyncio
import base64
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer

import ask_server
import check_serving
import grpc
import numpy as np
import pytest
import serve_kserve
import tensorflow as tf
from tensorflow_serving.apis.predict_pb2 import PredictResponse
from tensorflow_serving.apis.prediction_service_pb2_grpc import (
    PredictionServiceServicer,
    add_PredictionServiceServicer_to_server,
)

from tfctc.exporters.saved_model import encode


@pytest.fixture(scope="module")
def files(images, facts):
    return list(encode(images[:4], facts))


@pytest.fixture(scope="module")
def answers(version):
    return serve_kserve.Answers(version)


def rows(files):
    """The files as rows of a request."""
    return [{"image_bytes": {"b64": base64.b64encode(file).decode()}} for file in files]


def test_rows_are_answered_as_keras_predicts(answers, files, images, keras_probability):
    expected = pytest.approx(keras_probability[:4], abs=1e-5)
    named = [{"brightfield": image.tolist()} for image in images[:4]]
    assert answers({"instances": named})["predictions"] == expected
    assert answers({"instances": images[:4].tolist()})["predictions"] == expected
    request = {"signature_name": "serving_bytes", "instances": rows(files)}
    assert answers(request)["predictions"] == expected == answers(json.dumps(request).encode())["predictions"]


def test_a_malformed_request_is_refused_with_a_reason(answers, images, facts, files):
    bad = check_serving.malformed([json.dumps({"instances": rows(files)}).encode()], facts)
    del bad["100 MB"]  # BodyLimit refuses it
    bad["NaN"] = {"instances": np.full((1, *facts.image_size, 1), np.nan).tolist()}
    reasons = {}
    for kind, request in bad.items():
        with pytest.raises(serve_kserve.BadRequestError) as error:
            answers(request)
        reasons[kind] = str(error.value)
    assert reasons["truncated PNG"].startswith("Invalid PNG data")
    assert reasons["not a PNG"] == reasons["PNG header alone"] == "not a PNG file"
    assert reasons["PNG of another size"] == "24 x 20 px expected"
    assert reasons["colour PNG"] == "one grey channel expected, got a colour PNG"
    for kind in ("wrong shape", "ragged", "wrong dtype", "not a number", "NaN"):
        assert reasons[kind] == "row 0: numbers of shape 24 x 20 x 1 expected for input brightfield"
    assert reasons["raw counts"] == "numbers from 0 to 1 expected"
    assert reasons["not base64"] == "row 0: base64 strings expected for input image_bytes"
    assert reasons["unknown signature"] == "unknown signature 'train'; there are serving_default, serving_bytes"


@pytest.mark.parametrize(("size", "status"), [(10, 200), (11, 413)])
def test_a_body_beyond_the_limit_never_reaches_the_server(size, status):
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

    asyncio.run(serve_kserve.BodyLimit(app, most=10)({"type": "http"}, receive, send))
    assert sent[0]["status"] == status
    assert status == 200 or "11 bytes, at most 10" in json.loads(sent[1]["body"])["error"]


@pytest.fixture
def rest(answers):
    """A server with the documented REST interface in front of the model."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            status, content = 200, None
            try:
                content = answers(self.rfile.read(int(self.headers["Content-Length"])))
            except serve_kserve.BadRequestError as error:
                status, content = 400, {"error": str(error)}
            if self.path != "/v1/models/made-up:predict":
                status, content = 404, {"error": "no such model"}
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_the_client_asks_over_rest(rest, files, keras_probability):
    assert ask_server.ask_rest(rest, "made-up", files) == pytest.approx(keras_probability[:4], abs=1e-5)
    for name, sent, message in (("made-up", [b"no image"], "400.*not a PNG file"), ("x", files, "404.*no such model")):
        with pytest.raises(ask_server.RefusedError, match=message):
            ask_server.ask_rest(rest, name, sent)
    with pytest.raises(ask_server.RefusedError, match="no answer from http://127.0.0.1:1"):
        ask_server.ask_rest("http://127.0.0.1:1", "made-up", files)


def test_the_client_asks_over_grpc(version, files, keras_probability):
    """The server has TensorFlow Serving's own service definition."""
    signatures = tf.saved_model.load(str(version)).signatures

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
        found = ask_server.ask_grpc(f"127.0.0.1:{port}", "made-up", files)
        assert found == pytest.approx(keras_probability[:4], abs=1e-5)
        with pytest.raises(ask_server.RefusedError, match="NOT_FOUND: no such model"):
            ask_server.ask_grpc(f"127.0.0.1:{port}", "other", files)
    finally:
        server.stop(None)
