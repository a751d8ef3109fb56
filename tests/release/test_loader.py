"""The C++ loader that TensorFlow Serving is made of runs the SavedModel, also that of TensorFlow 2.20."""

import pytest

pytestmark = pytest.mark.release


def test_the_loader_of_tensorflow_2_20_gives_the_predictions_of_keras(version, evidence, environment):
    python = environment("--no-deps", "numpy", "tensorflow-cpu==2.20.*")
    found = evidence("loader", version, "--python", python)
    assert found["tensorflow"].startswith("2.20") and found["max_abs"] < 1e-5


def test_the_loader_of_this_tensorflow_gives_the_predictions_of_keras(version, evidence):
    found = evidence("loader", version)
    assert found["tensorflow"].startswith("2.21") and found["cells"] > 0 and found["max_abs"] < 1e-5
