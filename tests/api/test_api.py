"""The Python API as a notebook uses it, on the tiny data set."""

import csv
import importlib
import io
import json
import pkgutil
import shutil
import subprocess
import sys
from dataclasses import asdict

import numpy as np
import pytest
from made_up import edit_manifest
from PIL import Image

import tfctc
from tfctc.errors import ArtefactError, ConfigError

#: Height, width and full scale of the tiny data set's images.
SIZE, FULL_SCALE = (16, 16), 4095


@pytest.fixture(scope="module")
def run(journey, tmp_path_factory):
    """The journey's run, trained again from Python, by settings of every form."""
    return tfctc.fit(
        journey.data,
        output=tmp_path_factory.mktemp("api") / "run",
        backbone="tiny",
        mode="distilled",
        training={"epochs": 2},
        split={"validation": 0.2},
        **{"training.batch_size": 8, "split.test": 0.2, "distill.teacher_kinds": ["dapi-forest", "network"]},
    )


@pytest.fixture(scope="module")
def evaluation(run):
    """Metrics of `run`, which are saved there."""
    return run.evaluate()


@pytest.fixture(scope="module")
def version(run, evaluation, tmp_path_factory):
    """`run` as float32 TFLite, exported after its evaluation."""
    return run.export(tmp_path_factory.mktemp("exports"), quantize="none", name="api", accept=True)


def read_json(path):
    return json.loads(path.read_text())


def read_rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def cells_of(data, groups, split):
    """Rows of a split by cell id, with the channels read from the image files as float64 ``(H, W, 1)`` in [0, 1]."""
    cells = {}
    for row in read_rows(data / "manifest.csv"):
        if groups[row["patient_id"]] == split:
            pixels = {name: np.asarray(Image.open(data / row[name]))[..., None] for name in ("brightfield", "dapi")}
            cells[row["cell_id"]] = row | {name: counts / FULL_SCALE for name, counts in pixels.items()}
    return cells


def joined(batches):
    """All batches as one ``(x, y, sample_weight)`` of NumPy arrays."""
    xs, ys, weights = zip(*batches.as_numpy_iterator(), strict=True)
    return {name: np.concatenate([x[name] for x in xs]) for name in xs[0]}, np.concatenate(ys), np.concatenate(weights)


def sorted_by_pixels(images, *others):
    """Arrays in the order of the images' pixels, so that sets of cells can be compared."""
    order = np.lexsort(images.reshape(len(images), -1).T)
    return images[order], *(other[order] for other in others)


def test_fit_from_python_trains_the_run_that_the_command_trains(journey, run):
    """The same settings give the same weights: those of the journey's `tfctc fit`."""
    assert isinstance(run, tfctc.Run) and run.config.training.epochs == 2
    assert run.config == tfctc.Run.open(journey.run).config
    assert run.record["weights_sha256"] == read_json(journey.run / "run.json")["weights_sha256"]
    assert len(run.record["weights_sha256"]) == 2
    assert [row["stage"] for row in read_rows(run.folder / "history.csv")] == ["teacher"] * 2 + ["student"] * 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"training.epoch": 3}, "unknown key training.epoch"),
        ({"training": {"epochs": 0}}, "training.epochs must be a whole number >= 1, got 0"),
        ({"epoch": 3}, "unknown key epoch"),
        ({"mode": "magic"}, "unknown mode 'magic'; choose one of"),
    ],
)
def test_a_wrong_setting_is_an_error_before_anything_is_written(tiny_dataset, tmp_path, settings, message):
    with pytest.raises(tfctc.TfctcError, match=message) as caught:
        tfctc.fit(tiny_dataset, output=tmp_path / "run", **settings)
    assert isinstance(caught.value, ConfigError) and not list(tmp_path.iterdir())


def test_an_evaluation_holds_the_metrics_that_are_saved(journey, run, evaluation):
    assert isinstance(evaluation, tfctc.Evaluation)
    saved = read_json(run.folder / "evaluation.json")
    assert saved == json.loads(json.dumps(evaluation.to_dict()))
    for name, metric in evaluation.metrics.items():
        assert saved["metrics"][name] == asdict(metric)
        assert metric.low <= metric.value <= metric.high
    assert saved == read_json(journey.run / "evaluation.json")
    for words in ("auroc", f"threshold {evaluation.threshold:.4f}", f"{evaluation.cells} test cells of tiny"):
        assert words in str(evaluation)


def test_a_run_may_be_given_by_its_folder(run, evaluation, tmp_path):
    """The teacher's metrics: they go beside those of the student and leave the threshold."""
    point = (run.folder / "operating_point.json").read_bytes()
    copy = shutil.copytree(run.folder, tmp_path / "run")
    found = tfctc.evaluate(str(copy), operating_point=0.5, teacher=True)
    assert found.model == "teacher" and found.channels == ("brightfield", "dapi") and found.threshold == 0.5
    assert (copy / "teacher_evaluation.json").exists() and (copy / "operating_point.json").read_bytes() == point


def test_an_export_names_its_files(version):
    assert isinstance(version, tfctc.ExportedVersion)
    assert version.evaluated and not version.saved_model
    assert version.tflite == (version.folder / "model_float32.tflite",) and version.tflite[0].exists()
    assert (version.folder.parent.name, version.folder.name) == ("api", "1")
    assert "Not evaluated" not in (version.folder / "MODEL_CARD.md").read_text()


def test_an_unknown_precision_is_an_error(run):
    with pytest.raises(ConfigError, match="quantize must be one of none, float16, .*, got 'int4'"):
        run.export(quantize="int4")


def test_predictions_of_the_file_are_those_of_the_run(run, version, tmp_path):
    """Written into a table, into an open file, and asked for one image by one."""
    table, tasks = run.folder / "predictions.csv", []
    expected = {row["cell_id"]: row for row in read_rows(table)}
    summary = tfctc.predict(version.tflite[0], [table], tmp_path / "out.csv", progress=lambda *task: tasks.append(task))
    rows = {row["cell_id"]: row for row in read_rows(tmp_path / "out.csv")}
    assert rows.keys() == expected.keys() and summary.cells == len(rows) and summary.refused == 0
    assert tasks == [("Predicting", done, len(rows)) for done in range(1, len(rows) + 1)]
    predictor, stream = tfctc.Predictor(version.tflite[0]), io.StringIO(newline="")
    tfctc.predict(predictor, [table], stream)
    assert stream.getvalue().encode() == (tmp_path / "out.csv").read_bytes()
    for cell_id, row in rows.items():
        probability, label, quality = predictor(expected[cell_id]["brightfield"])
        assert (f"{probability:.9g}", label, quality) == (row["p_ctc"], row["call"], row["quality"])
        assert probability == pytest.approx(float(expected[cell_id]["p_ctc"]), abs=1e-4)
    assert sum(summary.calls.values()) == len(rows)


def test_verify_measures_the_files_and_finds_a_change(version, tmp_path):
    found = tfctc.verify(version.folder)
    assert isinstance(found, tfctc.Verification) and found.tflite == version.tflite
    assert found.model_version.startswith("api/1+")
    ((kind, (measure, value)),) = found.differences.items()
    assert (kind, measure) == ("float32", "max_abs") and value <= 1e-4
    changed = shutil.copytree(version.folder, tmp_path / "1")
    model = changed / "model_float32.tflite"
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)
    with pytest.raises(ArtefactError, match="model_float32.tflite"):
        tfctc.verify(changed)


def test_splits_of_a_dataset_hold_the_cells_of_the_runs_splits(journey, run):
    """Each batch is compared with the image files."""
    groups = read_json(run.folder / "splits.json")["groups"]
    assert set(groups.values()) == {"train", "validation", "test"}
    for split in ("train", "validation", "test"):
        x, y, weight = joined(tfctc.load_dataset(journey.data, split, batch_size=5, shuffle=False))
        cells = cells_of(journey.data, groups, split).values()
        assert set(x) == {"brightfield", "dapi", "dapi_present"}
        for name in ("brightfield", "dapi"):
            assert x[name].shape == (len(cells), *SIZE, 1) and x[name].dtype == np.float32
            assert x[name].min() >= 0 and x[name].max() <= 1
        assert (y.dtype, weight.dtype, x["dapi_present"].dtype) == (np.int32, np.float32, np.float32)
        assert (weight == 1).all() and (x["dapi_present"] == 1).all()
        found = sorted_by_pixels(x["brightfield"], x["dapi"], y)
        truth = sorted_by_pixels(
            np.stack([cell["brightfield"] for cell in cells]).astype(np.float32),
            np.stack([cell["dapi"] for cell in cells]).astype(np.float32),
            np.array([cell["label"] == "ctc" for cell in cells]),
        )
        for one, other in zip(found, truth, strict=True):
            np.testing.assert_array_equal(one, other)


def test_training_batches_pass_over_all_cells_in_an_order_of_the_seed(journey):
    def one_pass(**options):
        batches = tfctc.load_dataset(journey.data, channels=("brightfield",), batch_size=4, **options)
        x, y, _ = joined(batches.take(cells // 4))
        return x["brightfield"], y

    ordered, labels, _ = joined(tfctc.load_dataset(journey.data, batch_size=4, shuffle=False))
    cells = len(labels)
    assert cells % 4 == 0
    drawn, drawn_labels = one_pass()
    assert not np.array_equal(drawn, ordered["brightfield"])
    for one, other in zip(
        sorted_by_pixels(drawn, drawn_labels), sorted_by_pixels(ordered["brightfield"], labels), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(one_pass()[0], drawn)
    augmented, _ = one_pass(augment={"gain": {}})
    assert augmented.shape == drawn.shape and augmented.min() >= 0 and augmented.max() <= 1
    assert (augmented != drawn).any(axis=(1, 2, 3)).mean() > 0.9


def test_cells_without_a_label_have_label_0_and_weight_0(journey, tmp_path):
    data = shutil.copytree(journey.data, tmp_path / "data", ignore=shutil.ignore_patterns("tfrecords"))
    edit_manifest(data, lambda rows: [row.update(label="", dapi="") for row in rows if row["cell_id"].endswith("-3")])
    labels, weights = {}, {}
    for kind in ("labelled", "unlabelled", "all"):
        x, labels[kind], weights[kind] = joined(tfctc.load_dataset(data, "test", labels=kind))
        np.testing.assert_array_equal(x["dapi_present"], weights[kind])
        assert (x["dapi"][weights[kind] == 0] == 0).all()
    assert (weights["labelled"] == 1).all() and (weights["unlabelled"] == 0).all()
    assert len(labels["unlabelled"]) and (labels["unlabelled"] == 0).all()
    assert len(labels["all"]) == len(labels["labelled"]) + len(labels["unlabelled"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "all"}, "split must be one of train, validation, test, got 'all'"),
        ({"channels": ("green",)}, r"channels must be one or more of brightfield, dapi, got \['green'\]"),
        ({"split": "test", "shuffle": True}, "only the train split can be shuffled, got 'test'"),
    ],
)
def test_a_dataset_that_cannot_be_loaded_is_an_error(journey, arguments, message):
    with pytest.raises(ConfigError, match=message):
        tfctc.load_dataset(journey.data, **arguments)


def test_simulated_cells_can_be_written_from_python(tmp_path):
    tasks = []
    written = tfctc.simulate(
        tmp_path / "cells", 8, seed=1, patients=4, sites=2, size=40, progress=lambda *task: tasks.append(task)
    )
    assert isinstance(written, tfctc.SimulatedDataset) and (written.cells, written.patients, written.sites) == (8, 4, 2)
    assert len(read_rows(written.folder / "manifest.csv")) == 8 and tasks[-1][1:] == (8, 8)


def test_every_public_name_is_there():
    assert dir(tfctc) == sorted(tfctc.__all__) and len(set(tfctc.__all__)) == len(tfctc.__all__)
    for name in tfctc.__all__:
        found = getattr(tfctc, name)
        assert found.__doc__ or name == "__version__"
    with pytest.raises(AttributeError, match="has no attribute 'fti'"):
        tfctc.fti  # noqa: B018  (the look-up is the test)


def test_no_module_takes_the_name_of_a_function():
    """Importing a module `tfctc.export` would put it in the place of the function."""
    modules = {module.name for module in pkgutil.iter_modules(tfctc.__path__)}
    assert "exporters" in modules and not modules & set(tfctc.__all__)
    before = tfctc.export
    importlib.import_module("tfctc.exporters.version")
    importlib.import_module("tfctc.api.exporting")
    assert tfctc.export is before and callable(before) and before.__module__ == "tfctc.api.exporting"


def test_importing_the_package_imports_nothing_heavy():
    code = (
        "import sys, tfctc; tfctc.Predictor, tfctc.predict, tfctc.watch, tfctc.verify, tfctc.simulate, tfctc.fit\n"
        "print(sorted({'tensorflow', 'keras', 'sklearn', 'tensorflow_datasets'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
