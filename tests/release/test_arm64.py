"""The plain install on an emulated arm64 processor predicts as it does here."""

import check_arm64
import pytest

pytestmark = pytest.mark.release


def test_predictions_on_arm64_are_those_of_this_machine(version, tiny_dataset, evidence, reachable):
    if reason := check_arm64.missing():
        pytest.skip(reason)
    found = evidence("arm64", version, tiny_dataset / "manifest.csv", "--cells", 6)
    assert found["system"].startswith("aarch64") and any(line.startswith("Verified") for line in found["verify"])
    assert set(found["predict"]) == {path.name for path in version.glob("*.tflite")}
    for name, difference in found["predict"].items():
        assert difference["cells"] == 6 and difference["quality_changed"] == 0
        # Integers may differ by some steps of 1/256.
        assert difference["max_abs"] < (1e-5 if "float32" in name else 0.03)
