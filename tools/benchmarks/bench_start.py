"""Start time of a command: a whole process each time, compared with one that only imports the command-line library.

    python tools/benchmarks/bench_start.py --json docs/evidence/speed/start.json

The arms take turns. The first two rounds are not timed, because they may compile installed packages to bytecode.
"""

import argparse
import subprocess
import sys

from benchmark import measure, ratio, report, row

ARMS = {
    "python": "pass",
    "import click": "import click",
    "tfctc --help": "import sys; sys.argv = ['tfctc', '--help']; from tfctc.cli import main; main()",
    "tfctc predict --help": "import sys; sys.argv = ['tfctc', 'predict', '--help']; from tfctc.cli import main; main()",
    "what predict imports": "import tfctc.inference.batch, tfctc.inference.predictor, tfctc.inference.sources",
}


def process(code: str):
    return lambda: subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", help="file to write")
    args = parser.parse_args()
    seconds = measure({name: process(code) for name, code in ARMS.items()}, args.rounds)
    rows = [row(name, times, images=1) for name, times in seconds.items()]
    ratios = {
        "help_over_click": ratio(rows, "tfctc --help", "import click"),
        "predict_imports_over_click": ratio(rows, "what predict imports", "import click"),
    }
    report(rows, ratios, args.json)


if __name__ == "__main__":
    main()
