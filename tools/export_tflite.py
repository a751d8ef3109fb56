"""python tools/export_tflite.py RUN [options]: the same as tfctc export RUN --tflite [options]."""

import sys

from tfctc.cli import main

main(["export", "--tflite", *sys.argv[1:]])
