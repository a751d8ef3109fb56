"""Near-duplicates: what a copy may differ in, and what it may not."""

import numpy as np
import pytest
from discs import disc

from tfctc.data.inspect.duplicates import SAME, Duplicates, candidates, descriptor, score
from tfctc.data.inspect.images import CellImages, flattened


def textured(seed, down=0.0, right=0.0):
    """A disc with spots of its own."""
    rng = np.random.default_rng(seed)
    image = disc(40, 10, down, right, height=0.15, noise=0)
    for spot in rng.uniform(-7, 7, (6, 2)):
        image += disc(40, 1.5, down + spot[0], right + spot[1], level=0, height=rng.choice([-0.2, 0.2]), noise=0)
    return np.float32(image + rng.normal(0, 0.01, image.shape))


def described(image):
    return descriptor(CellImages({"brightfield": np.float32(image)}))


def test_a_descriptor_has_mean_0_and_norm_1_and_ignores_gain_and_offset():
    image = textured(0)
    found = described(image)
    assert found.mean() == pytest.approx(0, abs=1e-6) and np.linalg.norm(found) == pytest.approx(1, abs=1e-6)
    assert found @ described(1.3 * image - 0.1) > 0.999
    assert np.isnan(described(np.full((40, 40), 0.3))).all()


def test_a_descriptor_hardly_depends_on_the_position():
    image = textured(0)
    assert described(image) @ described(np.roll(image, (2, -2), (0, 1))) > 0.98
    assert described(image) @ described(textured(1)) < 0.98


def test_pairs_are_mutual_nearest_neighbours():
    points = np.float32([[0, 0], [0.1, 0], [5, 5], [5, 5.1], [np.nan, 0], [9, 0]])
    found = {tuple(pair) for pair in candidates(points).tolist()}
    assert {(0, 1), (2, 3)} <= found and not any(4 in pair for pair in found)
    assert len(candidates(points[:1])) == 0


@pytest.mark.parametrize("seed", range(5))
def test_a_copy_scores_high_and_another_cell_low(seed):
    rng, image = np.random.default_rng(seed), textured(seed)
    copy = 0.9 * np.roll(image, (1, -2), (0, 1)) + rng.normal(0, 0.01, image.shape)
    assert score(flattened(image), flattened(copy), np.array([0, 0])) > SAME + 0.2
    assert score(flattened(image), flattened(textured(seed + 50)), np.array([0, 0])) < SAME - 0.2


def test_copies_across_patients_and_within_one_are_told_apart(survey):
    images = [textured(seed) for seed in range(12)]
    images += [1.1 * images[0], np.roll(images[5], 1, 1)]
    patients = [f"p{i % 4}" for i in range(12)] + ["p3", "p1"]
    labels = ["ctc", "leukocyte"] * 6 + ["leukocyte", ""]
    found = Duplicates().section(survey([(image, None) for image in images], labels, patients))
    assert [one.cells for one in found.findings] == [["c0 = c12"], ["c5 = c13"]]
    across, within = (one.problem for one in found.findings)
    assert "under different patients (1 with both labels)" in across and "in one patient" in within
    assert found.values["across_patients"][0]["patients"] == ["p0", "p3"]
