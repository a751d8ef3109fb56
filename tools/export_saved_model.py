"""python tools/export_saved_model.py RUN [options]: the same as tfctc export RUN --saved-model [options]."""

import sys

from tfctc.cli import main

main(["export", "--saved-model", *sys.argv[1:]])
