"""The same cells in four kinds of file, cropped and padded: every way to predict gives the probabilities of Keras."""

import csv
import io
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
import tifffile
from c_example import COMPILER, compile_example, pgm
from click.testing import CliRunner
from PIL import Image
from small_models import fit_without_steps

import tfctc
from tfctc.cells import SPLITS
from tfctc.cli import main
from tfctc.config import ModelConfig
from tfctc.data.manifest import Manifest
from tfctc.exporters.litert import PRECISIONS, convert
from tfctc.exporters.model import TrainedModel
from tfctc.exporters.parity import GATES
from tfctc.exporters.saved_model import write_saved_model
from tfctc.inference.predictor import Predictor
from tfctc.io.images import fit_to_facts, read_channel, to_unit
from tfctc.io.record import append_record
from tfctc.models.classifier import build_classifier
from tfctc.models.fast import to_stock

pytestmark = pytest.mark.slow

FULL = 4095
#: Height and width of each cell: smaller and larger than both sizes, odd, one pixel wide, and twice the same.
SHAPES = [(30, 27), (13, 41), (40, 34), (1, 17), (19, 1), (9, 11), (30, 27), (20, 20), (26, 23), (31, 12)]
#: `--size`: the first crops most cells, the second pads most.
SIZES = {"crops": 16, "pads": 36}
#: Kind of TFLite file -> `--quantize`.
PRECISION = {PRECISIONS[precision]: precision for precision in ("none", "int8")}


def save_png(path, brightfield, dapi):
    Image.fromarray(brightfield).save(f"{path}_BF.png")
    Image.fromarray(dapi).save(f"{path}_DAPI.png")


def save_tiff(path, brightfield, dapi):
    tifffile.imwrite(f"{path}_BF.tif", brightfield, photometric="minisblack", metadata=None)
    tifffile.imwrite(f"{path}_DAPI.tif", dapi, photometric="minisblack", metadata=None)


def save_lzw(path, brightfield, dapi):
    tifffile.imwrite(f"{path}_BF.ome.tif", brightfield, ome=True, compression="lzw", predictor=True, byteorder=">")
    tifffile.imwrite(f"{path}_DAPI.ome.tif", dapi, ome=True, compression="deflate", rowsperstrip=5)


def save_hyperstack(path, brightfield, dapi):
    # With all six axes: from three, tifffile makes a file that ends too early if an image is one pixel wide.
    planes = np.stack([dapi, brightfield])[np.newaxis, np.newaxis, ..., np.newaxis]
    tifffile.imwrite(f"{path}.tif", planes, imagej=True, metadata={"axes": "TZCYXS", "Labels": ["DAPI", "BF"]})


#: Kind of file -> how a cell is saved, the file that holds its bright-field, and the options of the import.
CONTAINERS = {
    "png": (save_png, "{}_BF.png", ["--files", "{label}/{patient}/{cell}_{channel}.png"]),
    "tiff": (save_tiff, "{}_BF.tif", ["--files", "{label}/{patient}/{cell}_{channel}.tif"]),
    "lzw": (save_lzw, "{}_BF.ome.tif", ["--files", "{label}/{patient}/{cell}_{channel}.ome.tif"]),
    "hyperstack": (
        save_hyperstack,
        "{}.tif",
        ["--files", "{label}/{patient}/{cell}.tif", "--channel", "BF=brightfield", "--channel", "DAPI=dapi"],
    ),
}


@dataclass
class Lab:
    """Image files of the same cells in four containers.

    Attributes:
        folder: parent of one folder a container.
        cells: cell id -> bright-field and DAPI pixels, 12 bit in uint16.
    """

    folder: Path
    cells: dict[str, tuple[np.ndarray, np.ndarray]]

    def brightfield_file(self, container, cell_id):
        return self.folder / container / CONTAINERS[container][1].format(cell_id)


@dataclass
class Model:
    """One network, exported for images of one size.

    Attributes:
        manifests: container -> imported data set.
        expected: cell id -> probability of Keras.
        tflite: container, precision -> file of a model that was trained on this container's files.
        served: signatures of the SavedModel.
    """

    manifests: dict[str, Manifest]
    expected: dict[str, float]
    tflite: dict[tuple[str, str], Path]
    served: dict


def tfctc_command(*arguments):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Discs of rising brightness in noise; each patient has one leukocyte and one CTC."""
    folder, rng = tmp_path_factory.mktemp("lab"), np.random.default_rng(0)
    cells = {}
    for i, (height, width) in enumerate(SHAPES):
        label, patient = ("leukocyte", "ctc")[i % 2], f"patient{i // 2}"
        rows, columns = np.indices((height, width))
        disc = np.hypot(rows - height / 2, columns - width / 2) < 4 + i
        image = 0.2 + 0.05 * i + (0.2 if i % 2 else -0.1) * disc + rng.normal(0, 0.04, (height, width))
        brightfield = np.rint(image.clip(0, 1) * FULL).astype(np.uint16)
        cells[f"{label}/{patient}/{i:04}"] = brightfield, rng.integers(0, 400, (height, width)).astype(np.uint16)
    for container, (save, _, _) in CONTAINERS.items():
        for cell_id, pixels in cells.items():
            (folder / container / cell_id).parent.mkdir(parents=True, exist_ok=True)
            save(folder / container / cell_id, *pixels)
    return Lab(folder, cells)


@pytest.fixture(scope="module", params=SIZES.values(), ids=SIZES)
def model(request, lab, tmp_path_factory):
    folder, size = tmp_path_factory.mktemp("model"), request.param
    manifests = {}
    for container, (_, _, options) in CONTAINERS.items():
        output = folder / container
        options = [*options, "--cell-id", "{label}/{patient}/{cell}", "--bit-depth", 12, "--size", size]
        tfctc_command("import", lab.folder / container, *options, "--name", "lab", "--output", output)
        manifests[container] = Manifest.open(output)
    facts = manifests["png"].facts
    assert facts.crop_or_pad and all(manifest.facts == facts for manifest in manifests.values())

    images = np.stack([to_unit(fit_to_facts(pixels, facts), facts) for pixels, _ in lab.cells.values()])
    keras.utils.set_random_seed(5)
    network = build_classifier(ModelConfig("tiny"), facts.image_size, {"brightfield": (0.4, 0.2)}, "student")
    network = to_stock(fit_without_steps(network, images, np.linspace(0, 1, len(images)), ridge=3e-3))
    logits = network({"brightfield": images}, training=False).numpy().astype(np.float64)
    expected = 1 / (1 + np.exp(logits[:, 0] - logits[:, 1]))
    trained = TrainedModel(network, "lab", facts, {"threshold": 0.5})
    tflite = {}
    for artefact, precision in PRECISION.items():
        flatbuffer = convert(network, facts, precision, images)
        for container, manifest in manifests.items():
            path = tflite[container, artefact] = folder / f"{container}_{artefact}.tflite"
            path.write_bytes(flatbuffer)
            append_record(path, replace(trained, facts=manifest.facts).record(1))
    write_saved_model(network, facts, folder / "saved_model")
    served = tf.saved_model.load(str(folder / "saved_model")).signatures
    return Model(manifests, dict(zip(lab.cells, expected.tolist(), strict=True)), tflite, served)


def check(artefact, found, model):
    """Asserts that the probabilities by cell id are those of Keras, within the gate of the kind of file."""
    assert sorted(found) == sorted(model.expected)
    differences = [abs(found[cell_id] - probability) for cell_id, probability in model.expected.items()]
    gate = GATES[artefact]
    assert {"max_abs": max, "mean_abs": np.mean}[gate.measure](differences) <= gate.bound


def test_the_gates_tell_the_cells_and_the_rules_apart(lab, model):
    """The test of this test: another cell, padding with 0 or a crop from the corner would be seen."""
    probabilities = np.sort(list(model.expected.values()))
    assert np.ptp(probabilities) > 0.5 and np.diff(probabilities).min() > 20 * GATES["float32"].bound
    facts, default = model.manifests["png"].facts, model.served["serving_default"]
    height, width = facts.image_size
    for wrong in (
        lambda pixels: fit_to_facts(pixels[:height, :width], facts),
        lambda pixels: fit_to_facts(np.pad(pixels, 1), facts),  # a black frame: its level is 0
    ):
        units = [to_unit(wrong(pixels), facts)[np.newaxis] for pixels, _ in lab.cells.values()]
        found = np.array([float(default(brightfield=unit)["probability"][0]) for unit in units])
        assert np.abs(found - list(model.expected.values())).max() > 50 * GATES["float32"].bound


@pytest.mark.parametrize("container", CONTAINERS)
def test_training_reads_the_same_pixels(lab, model, container):
    manifest = model.manifests[container]
    cells = {cell.cell_id: cell for cell in manifest.cells()}
    assert sorted(cells) == sorted(lab.cells)
    for cell_id, pixels in lab.cells.items():
        for channel, source in zip(("brightfield", "dapi"), pixels, strict=True):
            found = read_channel(getattr(cells[cell_id], channel), manifest.facts, channel)
            np.testing.assert_array_equal(found, fit_to_facts(source, manifest.facts, channel=channel))


def test_the_pipeline_gives_the_same_pixels(lab, model):
    manifest = model.manifests["png"]
    found = []
    for split in SPLITS:
        batches = tfctc.load_dataset(manifest.folder, split, labels="all", batch_size=4, shuffle=False)
        found += [image for images, _, _ in batches for image in images["brightfield"].numpy()]
    expected = [to_unit(fit_to_facts(pixels, manifest.facts), manifest.facts) for pixels, _ in lab.cells.values()]
    assert sorted(image.tobytes() for image in found) == sorted(image.tobytes() for image in expected)


def test_serving_default_takes_the_images_as_they_are(lab, model):
    default, facts = model.served["serving_default"], model.manifests["png"].facts
    units = {cell_id: to_unit(pixels, facts)[..., np.newaxis] for cell_id, (pixels, _) in lab.cells.items()}
    single = {key: default(brightfield=unit[np.newaxis])["probability"].numpy().item() for key, unit in units.items()}
    check("saved_model", single, model)
    together = {}
    for shape in set(SHAPES):
        alike = [cell_id for cell_id, unit in units.items() if unit.shape[:2] == shape]
        found = default(brightfield=np.stack([units[cell_id] for cell_id in alike]))["probability"]
        together |= dict(zip(alike, found.numpy().tolist(), strict=True))
    assert len(set(SHAPES)) < len(SHAPES)
    check("saved_model", together, model)


def test_serving_bytes_takes_the_files_as_they_are(lab, model):
    files = [lab.brightfield_file("png", cell_id).read_bytes() for cell_id in lab.cells]
    for batch in (files, [png(pixels) for pixels, _ in lab.cells.values()]):
        found = model.served["serving_bytes"](image_bytes=tf.constant(batch))["probability"].numpy()
        check("serving_bytes", dict(zip(lab.cells, found.tolist(), strict=True)), model)


@pytest.mark.parametrize("artefact", PRECISION)
@pytest.mark.parametrize("container", CONTAINERS)
def test_predictor_and_command_read_every_container(lab, model, container, artefact, tmp_path):
    """The naming of the training images, which the file knows, finds bright-field: no option is given."""
    file = model.tflite[container, artefact]
    predictor = Predictor(file)
    check(artefact, {c: predictor(lab.brightfield_file(container, c)).probability for c in lab.cells}, model)
    tfctc_command("predict", file, lab.folder / container, "--output", tmp_path / "out.csv")
    with (tmp_path / "out.csv").open() as table:
        rows = {row["cell_id"]: float(row["p_ctc"]) for row in csv.DictReader(table)}
    check(artefact, rows, model)
    of_pixels = {cell_id: predictor(pixels).probability for cell_id, (pixels, _) in lab.cells.items()}
    assert rows == pytest.approx(of_pixels, abs=1e-6)


@pytest.mark.skipif(COMPILER is None, reason="no C compiler on this machine")
def test_the_c_example_takes_the_images_as_they_are(lab, model, tmp_path):
    program = compile_example(tmp_path / "predict")
    for artefact in PRECISION:
        file, found = model.tflite["png", artefact], {}
        predictor = Predictor(file)
        for cell_id, (pixels, _) in lab.cells.items():
            (tmp_path / "cell.pgm").write_bytes(pgm(pixels))
            done = subprocess.run([program, file, tmp_path / "cell.pgm"], capture_output=True, text=True, check=True)
            probability, label = done.stdout.split()
            found[cell_id] = float(probability)
            assert found[cell_id] == pytest.approx(predictor(pixels).probability, abs=1e-6)
            assert (label == "positive") == (predictor(pixels).call == "ctc")
        check(artefact, found, model)
