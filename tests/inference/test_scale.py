"""The scale of images against that of the model, through the predictor: what is taken, rescaled and refused."""

from dataclasses import replace

import numpy as np
import pytest
import tifffile
from mean_model import write_mean_model
from PIL import Image

from tfctc.errors import ConfigError, ImageError
from tfctc.inference.predictor import Predictor
from tfctc.io.images import crop_or_pad, rescaled

OWN, OTHER = 0.5, 0.8
#: Brighter in the middle, and of any size: the mean tells whether the image was rescaled before it was cropped.
ROWS, COLUMNS = np.indices((24, 20))
PIXELS = (500 + 3000 * np.exp(-((ROWS - 12) ** 2 + (COLUMNS - 10) ** 2) / 60)).astype(np.uint16)


@pytest.fixture
def predictor(facts, tmp_path):
    """Makes the predictor of a model of `OWN` micrometres per pixel, or of other facts."""

    def make(own=OWN, files_mpp=None, was_rescaled=False, **options):
        changes = {"mpp": own, "files_mpp": files_mpp, "rescaled": was_rescaled, "crop_or_pad": True}
        return Predictor(write_mean_model(tmp_path / "mean.tflite", replace(facts, **changes)), **options)

    return make


@pytest.fixture
def image(tmp_path):
    """Writes `PIXELS` to a TIFF that declares a scale, in OME or in ImageJ, or to a PNG, which declares none."""

    def write(mpp=None, imagej=False):
        path = tmp_path / ("cell.tif" if mpp else "cell.png")
        if mpp is None:
            Image.fromarray(PIXELS).save(path)
        elif imagej:
            tifffile.imwrite(path, PIXELS, imagej=True, resolution=(1 / mpp, 1 / mpp), metadata={"unit": "um"})
        else:
            tifffile.imwrite(path, PIXELS, ome=True, metadata={"PhysicalSizeX": mpp, "PhysicalSizeY": mpp})
        return path

    return write


def assert_taken(predictor, image, pixels=PIXELS):
    """Asserts that the network gets these pixels, cropped."""
    facts = predictor.facts
    means = [crop_or_pad(p, facts.image_size).mean() / facts.full_scale for p in (pixels, PIXELS)]
    assert predictor(image).probability == pytest.approx(means[0], abs=1e-6)
    assert pixels is PIXELS or abs(means[0] - means[1]) > 0.01


@pytest.mark.parametrize("imagej", [False, True])
@pytest.mark.parametrize("declared", [OWN, 1.015 * OWN, 0.985 * OWN])
def test_a_file_of_the_models_scale_is_taken_as_it_is(predictor, image, declared, imagej):
    assert_taken(predictor(), image(declared, imagej))
    assert_taken(predictor(rescale=True), image(declared, imagej))


def test_an_image_that_declares_nothing_counts_as_one_of_the_training_images(predictor, image):
    for options in ({}, {"rescale": True}, {"mpp": OWN}):
        assert_taken(predictor(**options), image())
        assert_taken(predictor(**options), PIXELS)


@pytest.mark.parametrize("imagej", [False, True])
@pytest.mark.parametrize("declared", [OTHER, 0.25, 1.03 * OWN, 0.97 * OWN])
def test_a_file_of_another_scale_is_refused_and_each_advice_works(predictor, image, declared, imagej):
    file = image(declared, imagej)
    with pytest.raises(ImageError, match=f"declares {declared:g} um a pixel, 0.5 expected") as error:
        predictor()(file)
    assert str(error.value).startswith(str(file))
    assert "give --rescale-mpp to rescale such images; if the file is wrong: --mpp 0.5" in str(error.value)
    expected = rescaled(PIXELS, declared, OWN)
    unit = predictor(rescale=True)(file).probability
    assert unit == pytest.approx(crop_or_pad(expected, (12, 10)).mean() / 4095, abs=1e-6)
    assert_taken(predictor(mpp=OWN), file)


def test_the_scale_that_the_user_declares_counts_before_that_of_the_file(predictor, image):
    for file in (image(), image(0.25), image(OWN), PIXELS):
        assert_taken(predictor(mpp=OTHER, rescale=True), file, rescaled(PIXELS, OTHER, OWN))


def test_a_declared_scale_that_is_not_the_models_needs_rescaling(predictor):
    with pytest.raises(ConfigError, match="the images have 0.8 um a pixel, .* trained at 0.5; give --rescale-mpp too"):
        predictor(mpp=OTHER)
    predictor(mpp=1.01 * OWN)


def test_wrong_metadata_that_are_known_from_the_import_are_taken(predictor, image):
    """All files of the training images declared 0.8, and the user of the import has said that it is 0.5."""
    for options in ({}, {"rescale": True}):
        model = predictor(files_mpp=OTHER, **options)
        for file in (image(OTHER), image(OWN), image(), PIXELS):
            assert_taken(model, file)
    with pytest.raises(ImageError, match="declares 0.25 um a pixel, 0.5 expected"):
        predictor(files_mpp=OTHER)(image(0.25))
    assert_taken(predictor(files_mpp=OTHER, rescale=True), image(0.9), rescaled(PIXELS, 0.9, OWN))


def test_images_of_a_model_whose_data_set_was_rescaled(predictor, image):
    """The training images were rescaled from 0.8: an image that declares nothing may have either scale."""
    rescaled_model = {"files_mpp": OTHER, "was_rescaled": True}
    assert_taken(predictor(**rescaled_model), image(OWN))
    with pytest.raises(ImageError, match="declares 0.8 um a pixel, 0.5 expected; give --rescale-mpp"):
        predictor(**rescaled_model)(image(OTHER))
    assert_taken(predictor(**rescaled_model, rescale=True), image(OTHER), rescaled(PIXELS, OTHER, OWN))
    for options in ({}, {"rescale": True}):
        message = "declares no micrometres per pixel; .* were rescaled to 0.5; give --mpp and --rescale-mpp"
        with pytest.raises(ImageError, match=message):
            predictor(**rescaled_model, **options)(image())
    assert_taken(predictor(**rescaled_model, mpp=OTHER, rescale=True), image(), rescaled(PIXELS, OTHER, OWN))
    assert_taken(predictor(**rescaled_model, mpp=OWN), image())


def test_a_model_without_a_scale_takes_every_scale_and_no_option(predictor, image):
    for file in (image(), image(OWN), image(OTHER), PIXELS):
        assert_taken(predictor(own=None), file)
    for options in ({"mpp": OWN}, {"rescale": True}, {"mpp": OWN, "rescale": True}):
        with pytest.raises(ConfigError, match="does not know its micrometres per pixel; leave out --mpp and"):
            predictor(own=None, **options)


def test_an_image_of_the_models_size_is_refused_after_rescaling_if_no_other_size_is_allowed(facts, tmp_path):
    path = write_mean_model(tmp_path / "mean.tflite", replace(facts, mpp=OWN))
    pixels = np.full(facts.image_size, 2000, np.uint16)
    assert Predictor(path, mpp=OWN)(pixels).probability == pytest.approx(2000 / 4095, abs=1e-6)
    with pytest.raises(ImageError, match="is 24 x 20 px, 12 x 10 expected"):
        Predictor(path, mpp=2 * OWN, rescale=True)(pixels)
    twice = np.full((24, 20), 2000, np.uint16)
    assert Predictor(path, mpp=OWN / 2, rescale=True)(twice).probability == pytest.approx(2000 / 4095, abs=1e-6)
