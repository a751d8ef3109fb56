"""Does a distilled student export exactly as a baseline does? Two exported folders, artefact by artefact.

    RUNS=comparisons/jurkat/runs RUN=150-labels/seed-0-rate-0.01 OUT=comparisons/exports
    tfctc export $RUNS/brightfield/$RUN --name brightfield --output $OUT --quantize none --quantize int8
    tfctc export $RUNS/distilled/$RUN --name distilled --output $OUT --quantize none --quantize int8
    python tools/check_export.py $OUT/brightfield/1 $OUT/distilled/1 --rounds 200 --out export.json

The networks are compared without the records in their files, which name the run. The two take turns to answer one
image on one thread; the ratio is the second one's median time over the first one's.
"""

import argparse
import shlex
import sys
from pathlib import Path

import numpy as np
from benchmark import machine, measure

from tfctc.artefact import unseal
from tfctc.files import write_json
from tfctc.runtime import Runtime, load

CALLS = 20


def answering(network: Runtime, image: np.ndarray):
    return lambda: [network(image) for _ in range(CALLS)]


def compare(first: Path, second: Path, rounds: int) -> dict:
    """Bytes, shapes and time of one image, of two .tflite files."""
    flatbuffers = [unseal(path)[0] for path in (first, second)]
    # A runtime refuses a file with more than one input or output.
    networks = [load(flatbuffer, threads=1) for flatbuffer in flatbuffers]
    image = np.random.default_rng(0).random(networks[0].input_shape, np.float32)
    seconds = measure({side: answering(net, image) for side, net in zip("ab", networks, strict=True)}, rounds)
    medians = [float(np.median(seconds[side])) / CALLS for side in "ab"]
    return {
        "bytes": [len(flatbuffer) for flatbuffer in flatbuffers],
        "inputs": [list(network.input_shape) for network in networks],
        "median_ms": [round(1e3 * median, 4) for median in medians],
        "latency_ratio": round(medians[1] / medians[0], 3),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs=2, help="of two exported versions")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--out", type=Path, help="JSON file")
    options = parser.parse_args()
    first, second = options.folders
    names = sorted({path.name for path in first.glob("*.tflite")} & {path.name for path in second.glob("*.tflite")})
    if not names:
        sys.exit(f"{first} and {second} have no .tflite file in common")
    found = {name: compare(first / name, second / name, options.rounds) for name in names}
    for name, figures in found.items():
        print(f"{name:24} {figures}")
    if options.out:
        command = shlex.join(["python", *sys.argv])
        write_json(options.out, {"command": command, "machine": machine(), "artefacts": found})
        print(f"Wrote {options.out}")


if __name__ == "__main__":
    main()
