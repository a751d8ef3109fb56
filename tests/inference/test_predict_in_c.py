"""tools/examples/predict.c predicts as the predictor does, and says what is wrong in one line."""

import subprocess
from dataclasses import replace

import numpy as np
import pytest
from c_example import COMPILER, compile_example, pgm
from mean_model import write_mean_model

from tfctc.inference.predictor import Predictor

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C compiler on this machine")


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return compile_example(tmp_path_factory.mktemp("c") / "predict")


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
        assert (label == "positive") == (expected.call == predictor.facts.positive)


@pytest.mark.parametrize("integer", [False, True])
@pytest.mark.parametrize("shape", [(30, 27), (9, 41), (7, 10), (1, 17), (1, 1), (12, 10)])
def test_it_crops_and_pads_as_the_predictor(program, facts, tmp_path, shape, integer):
    model = write_mean_model(tmp_path / "a.tflite", replace(facts, crop_or_pad=True), integer)
    pixels = np.random.default_rng(1).integers(0, 4096, shape).astype(np.uint16)
    (tmp_path / "a.pgm").write_bytes(pgm(pixels))
    done = subprocess.run([program, model, tmp_path / "a.pgm"], capture_output=True, text=True, check=True)
    assert float(done.stdout.split()[0]) == pytest.approx(Predictor(model)(pixels).probability, abs=1e-6)


@pytest.mark.parametrize("size", ["0 5", "5 0", "8193 1", "1 8193", "999999999 999999999"])
def test_an_image_without_pixels_or_with_too_many_is_one_line(program, facts, tmp_path, size):
    model = write_mean_model(tmp_path / "a.tflite", replace(facts, crop_or_pad=True))
    (tmp_path / "a.pgm").write_bytes(f"P5 {size} 4095\n".encode() + bytes(10))
    done = subprocess.run([program, model, tmp_path / "a.pgm"], capture_output=True, text=True)
    width, height = size.split()
    said = f"predict: error: {tmp_path}/a.pgm: is {height} x {width} px, which is no cell"
    assert done.returncode == 2 and done.stderr.strip().splitlines()[-1] == said


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
