"""The C example tools/examples/predict.c: how it is compiled, and the images that it takes."""

import shutil
import subprocess
from pathlib import Path

import ai_edge_litert

SOURCE = Path(__file__).parents[2] / "tools" / "examples" / "predict.c"
COMPILER = shutil.which("cc") or shutil.which("gcc")


def compile_example(program, source=SOURCE):
    """Compiles the example, or a test program that includes it, without a warning; returns the program's path."""
    litert = Path(ai_edge_litert.__file__).parent
    command = [COMPILER, "-std=c11", "-Wall", "-Wextra", "-Werror", "-O2", f"-I{SOURCE.parent}", source, "-o", program]
    subprocess.run([*command, litert / "libLiteRt.so", f"-Wl,-rpath,{litert}", "-lm"], check=True)
    return program


def pgm(pixels, most=4095):
    """Content of a PGM file of 16 bits."""
    height, width = pixels.shape
    return b"P5\n# made up\n%d %d\n%d\n" % (width, height, most) + pixels.astype(">u2").tobytes()
