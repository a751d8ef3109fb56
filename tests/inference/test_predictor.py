"""The predictor, on a network whose probability is known."""

import json
import subprocess
import sys
import tempfile
from dataclasses import replace

import mean_model
import numpy as np
import pytest
from PIL import Image

import tfctc
from tfctc.config import to_dict
from tfctc.errors import ArtefactError, ImageError, OutputError
from tfctc.exporters.quality_model import learn_quality
from tfctc.inference.predictor import Predictor
from tfctc.quality import describe_quality, read_quality
from tfctc.runtime import RUNTIMES


@pytest.mark.parametrize(("integer", "tolerance"), [(False, 1e-6), (True, 1 / 255)])
@pytest.mark.parametrize("threads", [None, 2])
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_it_predicts_stored_pixels(write_model, integer, tolerance, threads, runtime):
    predictor = Predictor(write_model(integer), threads, runtime)
    rng = np.random.default_rng(0)
    for top in (0, 100, 2000, 4095):
        pixels = rng.integers(0, top + 1, (12, 10, 1)).astype(np.uint16)
        assert predictor(pixels).probability == pytest.approx(pixels.mean() / 4095, abs=tolerance)


def test_openvino_without_a_folder_for_temporary_files_is_one_line(write_model, monkeypatch, tmp_path):
    model = write_model()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(OutputError, match="^temporary files cannot be written .No such file.*; set TMPDIR to a folder"):
        Predictor(model, runtime="openvino")


def test_a_prediction_is_probability_label_and_quality(write_model, tmp_path):
    predictor, file = tfctc.Predictor(write_model()), tmp_path / "a.png"
    for share, label, quality in ((0.05, "leukocyte", "dark"), (0.8, "ctc", "ok"), (0.97, "ctc", "bright")):
        pixels = np.full((12, 10), round(share * 4095), np.uint16)
        pixels[::2] += 20
        pixels[1::2] -= 20
        Image.fromarray(pixels).save(file)
        probability, *said = predictor(file)
        assert probability == pytest.approx(share, abs=1e-3) and said == [label, quality]
        assert predictor(pixels) == predictor(pixels[..., np.newaxis]) == predictor(file)
    assert predictor(np.full((12, 10), 3000, np.uint16)).quality == "flat"
    assert predictor(file, threshold=0.99).call == "leukocyte"
    with pytest.raises(ImageError, match="image: is 10 x 12 px"):
        predictor(pixels.T)
    with pytest.raises(ImageError, match="float32 pixels, uint16 expected"):
        predictor(pixels.astype(np.float32))


def test_int8_uses_its_whole_range(write_model):
    predictor = Predictor(write_model(integer=True))
    ends = [predictor(np.full((12, 10, 1), value, np.uint16)).probability for value in (0, 4095)]
    assert ends == pytest.approx([0, 1], abs=1 / 255)


def test_it_knows_what_its_file_says(write_model, facts):
    predictor = Predictor(write_model())
    assert (predictor.facts, predictor.threshold, predictor.model_version) == (facts, 0.5, "mean/1+abc")


def test_a_file_is_read_and_held_against_the_training_data(write_model, write_image):
    predictor = Predictor(write_model())
    assert predictor(write_image("a.tif", 0.25)).probability == pytest.approx(0.25, abs=1e-3)
    with pytest.raises(ImageError, match="12 x 10 expected"):
        predictor(write_image("b.png", size=(10, 12)))
    with pytest.raises(ImageError, match="uint16 expected"):
        predictor(write_image("c.png", dtype=np.uint8))


@pytest.mark.parametrize(
    "changes",
    [
        {"dataset": {"name": "x", "bit_depth": 99}},
        {"dataset": {"nom": "x"}},
        {"dataset": None},
        {"operating_point": {}},
        {"quality": {"beauty": [0, 1]}},
        {"quality": {"contrast": [1]}},
        {"quality": {"contrast": [1, 0]}},
        {"quality": {"density": {"features": ["a"], "centre": [0.0]}, "limit": 1.0}},
        {"quality": [1]},
        {"operating_point": {"threshold": "high"}},
    ],
)
def test_a_record_that_says_nothing_usable_is_refused(write_model, changes):
    with pytest.raises(ArtefactError, match="cannot be used"):
        Predictor(write_model(**changes))


def test_learnt_quality_is_used_and_a_number_that_is_not_one_is_refused(write_model, monkeypatch):
    images = np.random.default_rng(0).normal(0.5, 0.02, (60, 12, 10))
    values = learn_quality(images)
    predictor = Predictor(write_model(quality=values))
    said = [predictor(np.rint(image * 4095).astype(np.uint16)).quality for image in images]
    assert said == [describe_quality((np.rint(i * 4095) / 4095).astype("f4"), read_quality(values)) for i in images]
    assert said.count("ok") > 50 and predictor(np.full((12, 10), 2000, np.uint16)).quality == "flat"
    # Python reads and writes NaN, which is no JSON.
    strict = json.dumps
    monkeypatch.setattr(json, "dumps", lambda value, **options: strict(value, **options | {"allow_nan": True}))
    damaged = write_model(quality=values | {"limit": float("nan")})
    with pytest.raises(ArtefactError, match="cannot be used .*limit must be a finite number, got nan"):
        Predictor(damaged)


def test_a_network_that_does_not_run_is_refused(write_model, facts, monkeypatch):
    network = mean_model.mean_network(*facts.image_size)
    monkeypatch.setattr(mean_model, "mean_network", lambda *size: network[:8] + bytes(len(network) - 8))
    with pytest.raises(ArtefactError, match="cannot be used"):
        Predictor(write_model())


def test_it_runs_where_there_is_no_tensorflow(write_model, write_image):
    code = (
        "import sys\n"
        "for name in ('tensorflow', 'keras', 'sklearn', 'scipy', 'tensorflow_datasets'): sys.modules[name] = None\n"
        "from tfctc.inference.predictor import Predictor\n"
        "print(Predictor(sys.argv[1])(sys.argv[2]).probability)"
    )
    arguments = [sys.executable, "-c", code, str(write_model()), str(write_image("a.png", 0.75))]
    said = subprocess.run(arguments, check=True, capture_output=True, text=True).stdout
    assert float(said) == pytest.approx(0.75, abs=1e-3)


def test_a_cell_is_called_positive_at_the_threshold_and_else_the_more_probable_of_the_others(write_model, facts):
    two, three = Predictor(write_model()), Predictor(write_model(True, dataset=to_dict(replace(facts, other=True))))
    unit = np.full((12, 10, 1), 0.5, np.float32)
    for p, call in ((0.49, "leukocyte"), (0.5, "ctc"), (0.51, "ctc")):
        two._run = lambda image, p=p: np.array([p])
        assert two.classify(unit)[:2] == (p, call)
    for outputs, call in (((0.3, 0.49, 0.21), "leukocyte"), ((0.2, 0.49, 0.31), "other"), ((0.1, 0.5, 0.4), "ctc")):
        three._run = lambda image, outputs=outputs: np.array([outputs])
        assert three.classify(unit)[:2] == (outputs[1], call)
        assert three.classify(unit, threshold=0.1).call == "ctc"
