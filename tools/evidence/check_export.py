"""Comparison of two exported versions, file by file: a distilled student should cost as much as a baseline student.

    RUNS=comparisons/jurkat/runs RUN=150-labels/seed-0-rate-0.01 OUT=comparisons/exports
    tfctc export $RUNS/brightfield/$RUN --name brightfield --output $OUT --quantize none --quantize int8
    tfctc export $RUNS/distilled/$RUN --name distilled --output $OUT --quantize none --quantize int8
    python tools/evidence export $OUT/brightfield/1 $OUT/distilled/1 --rounds 200 --out export.json

The networks are compared without the records in their files, because a record names its run. The two networks take
turns: each predicts one image on one thread. The ratio is the median time of the second over that of the first.
"""

from pathlib import Path

import numpy as np
from common import CheckError, log, measure

from tfctc.io.record import read_record
from tfctc.runtime import load_network
from tfctc.runtime.base import Runtime

CALLS = 20


def add_options(parser) -> None:
    parser.add_argument("folders", type=Path, nargs=2, help="two exported versions")
    parser.add_argument("--rounds", type=int, default=50)


def calls(network: Runtime, image: np.ndarray):
    """A function that predicts the image `CALLS` times."""
    return lambda: [network(image) for _ in range(CALLS)]


def compare(first: Path, second: Path, rounds: int) -> dict:
    """Size, input shape and time for one image of two .tflite files, and the ratio of the times."""
    flatbuffers = [read_record(path)[0] for path in (first, second)]
    # A runtime refuses a file with more than one input or output.
    networks = [load_network(flatbuffer, threads=1) for flatbuffer in flatbuffers]
    image = np.random.default_rng(0).random(networks[0].input_shape, np.float32)
    seconds = measure({side: calls(net, image) for side, net in zip("ab", networks, strict=True)}, rounds)
    medians = [float(np.median(seconds[side])) / CALLS for side in "ab"]
    return {
        "bytes": [len(flatbuffer) for flatbuffer in flatbuffers],
        "inputs": [list(network.input_shape) for network in networks],
        "median_ms": [round(1e3 * median, 4) for median in medians],
        "latency_ratio": round(medians[1] / medians[0], 3),
    }


def check(options) -> dict:
    first, second = options.folders
    names = sorted({path.name for path in first.glob("*.tflite")} & {path.name for path in second.glob("*.tflite")})
    if not names:
        raise CheckError(f"{first} and {second} have no .tflite file in common")
    found = {}
    for name in names:
        found[name] = compare(first / name, second / name, options.rounds)
        log.info("%-24s %s", name, found[name])
    return {"artefacts": found}
