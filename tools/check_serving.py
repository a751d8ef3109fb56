"""A server under load: are all requests answered, rightly, and are malformed ones refused without stopping it?

    python -m venv kserve && kserve/bin/pip install -e '.[train]' kserve
    python tools/check_serving.py exports/ctc/1 --python kserve/bin/python --out docs/evidence/serving/load.json

Starts `serve_kserve.py`; sends the version's reference images, one a request, as PNG files to `serving_bytes` and as
numbers to `serving_default` by turns, and holds each answer against Keras's. Meanwhile malformed requests come in, each
of which must be answered with a 4xx that says why.
"""

import argparse
import base64
import http.client
import io
import itertools
import json
import shlex
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from benchmark import machine
from PIL import Image

from tfctc.cells import DatasetFacts
from tfctc.config import from_dict
from tfctc.files import write_json
from tfctc.images import to_unit
from tfctc.inference.verify import check_files, reference

HERE, TOLERANCE = Path(__file__).parent, 1e-5


def bodies(folder: Path, facts: DatasetFacts) -> tuple[list[bytes], np.ndarray]:
    """Well-formed requests, and what Keras answers to each."""
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
    """Kind -> a request that cannot be answered."""
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
    return {
        "wrong shape": floats(np.zeros((height, width + 1, 1)).tolist()),
        "ragged": floats([[[0.0]], [[0.0], [0.0]]]),
        "wrong dtype": floats([[["a"]] * width] * height),
        "raw counts": floats(np.full((height, width, 1), facts.full_scale).tolist()),
        "not a number": floats([[[float("nan")]] * width] * height).replace(b"NaN", b"null"),
        "truncated PNG": file(png[: len(png) // 2]),
        "PNG header alone": file(png[:20]),
        "not a PNG": file(b"cell"),
        "PNG of another size": file(other.getvalue()),
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
    """One connection that stays open."""

    def __init__(self, port: int, name: str):
        self.connection, self.path = http.client.HTTPConnection("127.0.0.1", port, timeout=120), f"/v1/models/{name}"

    def predict(self, body: bytes) -> tuple[int, dict]:
        headers = {"Content-Type": "application/json"}
        self.connection.request("POST", f"{self.path}:predict", body, headers)
        response = self.connection.getresponse()
        return response.status, json.loads(response.read())


def ready(server: subprocess.Popen, port: int, name: str, seconds: float = 180) -> None:
    """Waits until the model is; ends the tool if the server ends or time does."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends and server.poll() is None:
        try:
            client = Client(port, name)
            client.connection.request("GET", client.path)
            if client.connection.getresponse().status == 200:
                return
        except OSError:
            pass
        time.sleep(0.5)
    raise SystemExit("the server did not start")


def load(port: int, name: str, good: list[bytes], expected: np.ndarray, requests: int, concurrent: int) -> dict:
    """Sends `requests` of the good ones over `concurrent` connections."""
    numbers, local = itertools.count(), threading.local()
    seconds, lost, wrong = [], [], []

    def work(_):
        local.client = getattr(local, "client", None) or Client(port, name)
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
    with ThreadPoolExecutor(concurrent) as pool:
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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("version", type=Path)
    parser.add_argument("--python", default=sys.executable, help="one that has kserve and tfctc[train]")
    parser.add_argument("--port", type=int, default=8599)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--concurrent", type=int, default=16)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    manifest = check_files(args.version)
    name, facts = manifest["name"], from_dict(DatasetFacts, manifest["dataset"])
    good, expected = bodies(args.version, facts)
    bad, refusals, over = malformed(good, facts), {}, threading.Event()

    def spoil():
        """Every malformed request, again and again until the load is over; once at the least."""
        while not (over.is_set() and len(refusals) == len(bad)):
            for kind, body in bad.items():
                try:
                    status, answer = Client(args.port, name).predict(body)
                except (OSError, http.client.HTTPException, ValueError) as error:
                    status, answer = "no answer", {"error": repr(error)}
                entry = refusals.setdefault(kind, {"status": status, "error": answer.get("error"), "sent": 0})
                entry["sent"] += 1
                if entry["status"] != status:
                    entry["status"] = f"{entry['status']}, {status}"
                time.sleep(0.05)

    command = [args.python, str(HERE / "serve_kserve.py"), str(args.version), "--port", str(args.port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        ready(server, args.port, name)
        spoiler = threading.Thread(target=spoil)
        spoiler.start()
        found = load(args.port, name, good, expected, args.requests, args.concurrent)
        over.set()
        spoiler.join()
        status, _ = Client(args.port, name).predict(good[0])
        found |= {"answers_afterwards": status == 200, "malformed": refusals}
    finally:
        server.terminate()
        server.wait()
    print(json.dumps(found, indent=2))
    clear = len(refusals) == len(bad) and all(
        isinstance(r["status"], int) and 400 <= r["status"] < 500 and r["error"] for r in refusals.values()
    )
    if args.out:
        command = shlex.join(["python", *sys.argv])
        write_json(args.out, {"command": command, "machine": machine(), "model": manifest["model_version"], **found})
    if found["lost"] or found["wrong"] or not clear or not found["answers_afterwards"]:
        raise SystemExit("not every request got what it should")


if __name__ == "__main__":
    main()
