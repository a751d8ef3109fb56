"""The plain install in a fresh environment predicts, without TensorFlow."""

import pytest

pytestmark = pytest.mark.release


def test_the_plain_install_predicts_every_image(version, tiny_dataset, evidence, reachable):
    found = evidence("install", version / "model_float32.tflite", tiny_dataset / "manifest.csv", "--starts", 1)
    assert found["predicted"] == found["images"] == 48 and found["same_with_workers"]
    assert {"ai-edge-litert", "numpy", "tfctc"} <= set(found["install"]["packages"])
    assert found["install"]["megabytes_without_bytecode"] < 150
