"""REST server under load: valid requests must get the right predictions, and malformed ones must be refused.

    python -m venv kserve && kserve/bin/pip install -e '.[train]' kserve
    python tools/evidence serving exports/ctc/1 --python kserve/bin/python --out docs/evidence/serving/load.json

The check starts tools/examples/serve_kserve.py. It sends the version's reference images, one in each request, as PNG
files to `serving_bytes` and as numbers to `serving_default` by turns, and compares each prediction with that of Keras.
At the same time it sends malformed requests. The server must refuse each of them with a status 4xx and a reason.
"""

import base64
import contextlib
import http.client
import io
import itertools
import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from common import ROOT, CheckError, log
from PIL import Image

from tfctc.cells import DatasetFacts
from tfctc.config import from_dict
from tfctc.inference.verify import check_files, reference
from tfctc.io.images import to_unit

SERVER, TOLERANCE = ROOT / "tools" / "examples" / "serve_kserve.py", 1e-5


def add_options(parser) -> None:
    parser.add_argument("version", type=Path, help="folder NAME/VERSION of an export with a SavedModel")
    parser.add_argument("--python", default=sys.executable, help="Python that has kserve and tfctc[train]")
    parser.add_argument("--port", type=int, default=8599)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--concurrent", type=int, default=16, help="connections at a time")


def bodies(folder: Path, facts: DatasetFacts) -> tuple[list[bytes], np.ndarray]:
    """Bodies of valid requests, and the probability of the Keras model for each."""
    pixels, expected = reference(folder)
    found = []
    for image in pixels:
        file = io.BytesIO()
        Image.fromarray(image[..., 0]).save(file, "PNG")
        rows = [{"image_bytes": {"b64": base64.b64encode(file.getvalue()).decode()}}]
        found.append({"signature_name": "serving_bytes", "instances": rows})
        found.append({"instances": [{"brightfield": to_unit(image, facts).tolist()}]})
    return [json.dumps(body).encode() for body in found], np.repeat(expected, 2)


def malformed(good: list[bytes], facts: DatasetFacts) -> dict[str, bytes]:
    """Kind of mistake -> body of a request that must be refused."""
    png = base64.b64decode(json.loads(good[0])["instances"][0]["image_bytes"]["b64"])
    height, width = facts.image_size

    def floats(values) -> bytes:
        return json.dumps({"instances": [values]}).encode()

    def file(content: bytes) -> bytes:
        row = {"image_bytes": {"b64": base64.b64encode(content).decode()}}
        return json.dumps({"signature_name": "serving_bytes", "instances": [row]}).encode()

    other = io.BytesIO()
    Image.fromarray(np.zeros((height + 1, width), facts.dtype)).save(other, "PNG")
    colour = io.BytesIO()
    Image.fromarray(np.zeros((height, width, 3), np.uint8)).save(colour, "PNG")
    of_another_size = {} if facts.crop_or_pad else {
        "wrong shape": floats(np.zeros((height, width + 1, 1)).tolist()),
        "PNG of another size": file(other.getvalue()),
    }  # fmt: skip
    return of_another_size | {
        "ragged": floats([[[0.0]], [[0.0], [0.0]]]),
        "wrong dtype": floats([[["a"]] * width] * height),
        "raw counts": floats(np.full((height, width, 1), facts.full_scale).tolist()),
        "not a number": floats([[[float("nan")]] * width] * height).replace(b"NaN", b"null"),
        "truncated PNG": file(png[: len(png) // 2]),
        "PNG header alone": file(png[:20]),
        "not a PNG": file(b"cell"),
        "colour PNG": file(colour.getvalue()),
        "not base64": b'{"signature_name": "serving_bytes", "instances": [{"image_bytes": {"b64": "!"}}]}',
        "unknown signature": b'{"signature_name": "train", "instances": [1]}',
        "no rows": b'{"instances": []}',
        "no instances": b"[]",
        "not JSON": b'{"instances": [',
        "empty": b"",
        "100 MB": b'{"instances": [' + b"0," * 50_000_000 + b"0]}",
    }


class Client:
    """Context manager of one HTTP connection to the server."""

    def __init__(self, port: int, name: str):
        self.connection, self.path = http.client.HTTPConnection("127.0.0.1", port, timeout=120), f"/v1/models/{name}"

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *details) -> None:
        self.connection.close()

    def predict(self, body: bytes) -> tuple[int, dict]:
        headers = {"Content-Type": "application/json"}
        self.connection.request("POST", f"{self.path}:predict", body, headers)
        response = self.connection.getresponse()
        return response.status, json.loads(response.read())

    def ready(self) -> bool:
        self.connection.request("GET", self.path)
        return self.connection.getresponse().status == 200


def wait_until_ready(server: subprocess.Popen, port: int, name: str, seconds: float = 180) -> None:
    """Waits until the server reports the model as ready.

    Raises:
        CheckError: the server has ended, or was not ready in time.
    """
    ends = time.monotonic() + seconds
    while time.monotonic() < ends and server.poll() is None:
        with contextlib.suppress(OSError), Client(port, name) as client:
            if client.ready():
                return
        time.sleep(0.5)
    raise CheckError("the server did not start; does --python have kserve and tfctc[train]?")


def load(port: int, name: str, good: list[bytes], expected: np.ndarray, requests: int, concurrent: int) -> dict:
    """Sends valid requests and compares their predictions.

    Args:
        port: port of the server.
        name: name of the model.
        good: bodies of valid requests, which are used again and again.
        expected: the right probability for each of them.
        requests: number of requests to send.
        concurrent: number of connections at a time.
    """
    numbers, local = itertools.count(), threading.local()
    seconds, lost, wrong = [], [], []

    def work(_):
        if getattr(local, "client", None) is None:
            local.client = clients.enter_context(Client(port, name))
        i = next(numbers) % len(good)
        started = time.perf_counter()
        try:
            status, answer = local.client.predict(good[i])
            seconds.append(time.perf_counter() - started)
            if status != 200:
                lost.append(f"{status}: {answer}")
            elif not abs(answer["predictions"][0] - expected[i]) <= TOLERANCE:
                wrong.append((i, answer["predictions"][0]))
        except (OSError, http.client.HTTPException, ValueError) as error:
            lost.append(repr(error))
            local.client = None

    started = time.perf_counter()
    with contextlib.ExitStack() as clients, ThreadPoolExecutor(concurrent) as pool:
        list(pool.map(work, range(requests)))
    wall = time.perf_counter() - started
    return {
        "requests": requests,
        "concurrent": concurrent,
        "answered": requests - len(lost),
        "lost": len(lost),
        "wrong": len(wrong),
        "examples": [*lost[:3], *wrong[:3]],
        "requests_per_s": requests / wall,
        "median_ms": 1e3 * float(np.median(seconds)) if seconds else None,
        "p99_ms": 1e3 * float(np.quantile(seconds, 0.99)) if seconds else None,
    }


def send_malformed(port: int, name: str, bad: dict[str, bytes], over: threading.Event) -> dict[str, dict]:
    """Sends all malformed requests again and again until `over` is set, each at least once.

    Returns:
        Kind of mistake -> status (several if they differ), error message, and number of requests.
    """
    refusals = {}
    while not (over.is_set() and len(refusals) == len(bad)):
        for kind, body in bad.items():
            try:
                with Client(port, name) as client:
                    status, answer = client.predict(body)
            except (OSError, http.client.HTTPException, ValueError) as error:
                status, answer = "no answer", {"error": repr(error)}
            entry = refusals.setdefault(kind, {"status": status, "error": answer.get("error"), "sent": 0})
            entry["sent"] += 1
            if entry["status"] != status:
                entry["status"] = f"{entry['status']}, {status}"
            time.sleep(0.05)
    return refusals


def check(options) -> dict:
    manifest = check_files(options.version)
    name, facts = manifest["name"], from_dict(DatasetFacts, manifest["dataset"])
    good, expected = bodies(options.version, facts)
    bad, over = malformed(good, facts), threading.Event()
    command = [options.python, str(SERVER), str(options.version), "--port", str(options.port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until_ready(server, options.port, name)
        with ThreadPoolExecutor(1) as beside:
            refusals = beside.submit(send_malformed, options.port, name, bad, over)
            try:
                found = load(options.port, name, good, expected, options.requests, options.concurrent)
            finally:
                over.set()
        with Client(options.port, name) as client:
            status, _ = client.predict(good[0])
        found |= {"answers_afterwards": status == 200, "malformed": refusals.result()}
    finally:
        server.terminate()
        server.wait()
    log.info("%s", json.dumps(found, indent=2))
    return {"model": manifest["model_version"], **found}


def problem(found: dict) -> str:
    """Message if a valid request got no right prediction, or a malformed one was not refused."""
    refused = all(
        isinstance(entry["status"], int) and 400 <= entry["status"] < 500 and entry["error"]
        for entry in found["malformed"].values()
    )
    if found["lost"] or found["wrong"] or not refused or not found["answers_afterwards"]:
        return "not every request was answered as it should be"
    return ""
