"""tools/examples/predict.c predicts as the predictor does, and says what is wrong in one line."""

import shutil
import subprocess
from pathlib import Path

import ai_edge_litert
import numpy as np
import pytest

from tfctc.inference.predictor import Predictor

SOURCE = Path(__file__).parents[2] / "tools" / "examples" / "predict.c"
COMPILER = shutil.which("cc") or shutil.which("gcc")
pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C compiler on this machine")


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    path, litert = tmp_path_factory.mktemp("c") / "predict", Path(ai_edge_litert.__file__).parent
    command = [COMPILER, "-std=c11", "-Wall", "-Wextra", "-Werror", "-O2", SOURCE, "-o", path]
    subprocess.run([*command, litert / "libLiteRt.so", f"-Wl,-rpath,{litert}", "-lm"], check=True)
    return path


def pgm(pixels, most=4095):
    height, width = pixels.shape
    return b"P5\n# made up\n%d %d\n%d\n" % (width, height, most) + pixels.astype(">u2").tobytes()


@pytest.mark.parametrize("integer", [False, True])
def test_it_predicts_as_the_predictor(program, write_model, tmp_path, integer):
    model = write_model(integer)
    predictor, rng = Predictor(model), np.random.default_rng(0)
    for top in (0, 300, 2500, 4095):
        pixels = rng.integers(0, top + 1, (12, 10)).astype(np.uint16)
        (tmp_path / "a.pgm").write_bytes(pgm(pixels))
        done = subprocess.run([program, model, tmp_path / "a.pgm"], capture_output=True, text=True, check=True)
        probability, label = done.stdout.split()
        expected = predictor(pixels)
        assert float(probability) == pytest.approx(expected.probability, abs=1e-6)
        assert (label == "positive") == (expected.label == predictor.facts.positive)


WHOLE = pgm(np.zeros((12, 10), np.uint16))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (WHOLE[:-1], "a.pgm: is truncated"),
        (pgm(np.zeros((10, 12), np.uint16)), "a.pgm: is 10 x 12 px, 12 x 10 expected"),
        (pgm(np.zeros((12, 10), np.uint16), 65535), "a.pgm: has a maximum value of 65535, 4095 expected"),
        (pgm(np.full((12, 10), 4096, np.uint16)), "a.pgm: has a pixel of 4096, above 4095"),
        (b"\x89PNG\r\n", "a.pgm: is not a binary PGM"),
        (b"P5 ten", "a.pgm: is not a binary PGM"),
        (None, "a.pgm: cannot be read"),
    ],
)
def test_a_bad_image_is_one_line_and_exit_code_2(program, write_model, tmp_path, image, message):
    if image is not None:
        (tmp_path / "a.pgm").write_bytes(image)
    done = subprocess.run([program, write_model(), tmp_path / "a.pgm"], capture_output=True, text=True)
    assert done.returncode == 2 and not done.stdout
    assert done.stderr.strip().splitlines()[-1] == f"predict: error: {tmp_path}/{message}"


def test_a_bad_model_is_one_line_and_exit_code_2(program, write_model, tmp_path):
    (tmp_path / "a.pgm").write_bytes(WHOLE)
    model = write_model()
    whole = model.read_bytes()
    for content, message in ((whole[:200], "holds no record of tfctc"), (b"\0" * 200 + whole[200:], "cannot be run")):
        model.write_bytes(content)
        done = subprocess.run([program, model, tmp_path / "a.pgm"], capture_output=True, text=True)
        assert done.returncode == 2 and f"{model}: {message}" in done.stderr.strip().splitlines()[-1]
    assert subprocess.run([program], capture_output=True).returncode == 2
