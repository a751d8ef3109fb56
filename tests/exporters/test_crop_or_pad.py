"""The pixels that reach the network are the same in Python, in the SavedModel's graph and in the C example."""

import itertools
import subprocess

import numpy as np
import pytest
import tensorflow as tf
from c_example import COMPILER, compile_example, pgm

from tfctc.cells import DatasetFacts
from tfctc.exporters.saved_model import checked, decode
from tfctc.io.images import fit_to_facts, to_unit

pytestmark = pytest.mark.slow

SIDES = (1, 2, 3, 4, 6, 9)
SHAPES = list(itertools.product(SIDES, SIDES))
#: Reads lines "HEIGHT WIDTH FILE" and writes the image as the network would get it.
PROGRAM = """
#define main predict
#include "predict.c"
#undef main
int main(void) {
  char path[4096];
  int height, width;
  while (scanf("%d %d %4095s", &height, &width, path) == 3) {
    float *pixels = read_image(path, height, width, 4095, 1);
    fwrite(pixels, sizeof(float), (size_t)height * width, stdout);
    free(pixels);
  }
  return 0;
}
"""


def facts_of(height, width, bit_depth=12):
    return DatasetFacts("any-size", bit_depth=bit_depth, image_size=(height, width), crop_or_pad=True)


@pytest.fixture(scope="module")
def counts():
    """Shape -> 12-bit image; few values, so that the border has ties."""
    rng = np.random.default_rng(0)
    return {shape: (rng.integers(0, 40, shape) * 105).astype(np.uint16) for shape in SHAPES}


@pytest.mark.parametrize("height", SIDES)
@pytest.mark.parametrize("width", [1, 2, 5, 8])
def test_the_graph_gives_the_pixels_of_python(counts, height, width):
    facts = facts_of(height, width)

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 1), tf.float32)])
    def fitted(images):
        return checked(images, facts)

    for shape in SHAPES:
        two = np.stack([counts[shape], counts[shape][::-1] // 2])
        expected = np.stack([to_unit(fit_to_facts(pixels, facts), facts) for pixels in two])
        np.testing.assert_array_equal(fitted(to_unit(two, facts)[..., np.newaxis]), expected)


@pytest.mark.parametrize("height", SIDES)
@pytest.mark.parametrize("bit_depth", [8, 12])
def test_a_png_file_gives_the_pixels_of_python(counts, height, bit_depth):
    facts = facts_of(height, 10 - height, bit_depth)

    @tf.function(input_signature=[tf.TensorSpec((), tf.string)])
    def decoded(data):
        return decode(data, facts)

    for pixels in counts.values():
        pixels = (pixels >> (12 - bit_depth)).astype(facts.dtype)
        found = decoded(tf.io.encode_png(pixels[..., np.newaxis])).numpy()
        expected = fit_to_facts(pixels, facts)
        np.testing.assert_array_equal(np.rint(found * facts.full_scale), expected)
        # TensorFlow may multiply by the reciprocal in place of dividing.
        np.testing.assert_array_max_ulp(found, to_unit(expected, facts), 2)


@pytest.mark.skipif(COMPILER is None, reason="no C compiler on this machine")
def test_the_c_example_gives_the_pixels_of_python(counts, tmp_path):
    """All 6561 pairs of an image's and a network's size, to the last bit."""
    (tmp_path / "pixels.c").write_text(PROGRAM)
    program = compile_example(tmp_path / "pixels", tmp_path / "pixels.c")
    lines, expected = [], []
    for shape, pixels in counts.items():
        path = tmp_path / "{}x{}.pgm".format(*shape)
        path.write_bytes(pgm(pixels))
        for size in SHAPES:
            facts = facts_of(*size)
            lines.append(f"{size[0]} {size[1]} {path}\n")
            expected.append(to_unit(fit_to_facts(pixels, facts), facts).ravel())
    done = subprocess.run([program], input="".join(lines).encode(), capture_output=True, check=True)
    np.testing.assert_array_equal(np.frombuffer(done.stdout, np.float32), np.concatenate(expected))
