"""The SavedModel: what a server loads."""

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow.core.protobuf import saved_model_pb2

from tfctc.cells import DatasetFacts
from tfctc.export.saved_model import decode


def png(pixels, mode=None):
    file = io.BytesIO()
    Image.fromarray(pixels, mode).save(file, "png")
    return file.getvalue()


@pytest.fixture(scope="module")
def served(version):
    return tf.saved_model.load(str(version)).signatures


def test_serving_default_answers_as_keras_for_any_batch(served, images, keras_probability):
    serve = served["serving_default"]
    for part in (slice(0, 1), slice(0, 7)):
        found = serve(brightfield=tf.constant(images[part]))
        assert list(found) == ["probability"] and found["probability"].dtype == tf.float32
        np.testing.assert_allclose(found["probability"], keras_probability[part], atol=1e-5)


def test_serving_bytes_answers_as_keras_for_png_files(served, counts, keras_probability):
    files = [png(c[..., 0]) for c in counts[:5]]
    found = served["serving_bytes"](image_bytes=tf.constant(files))["probability"]
    np.testing.assert_allclose(found, keras_probability[:5], atol=1e-5)


@pytest.mark.parametrize("bit_depth", [8, 12, 16])
def test_every_stored_value_becomes_its_share_of_the_full_scale(bit_depth):
    facts = DatasetFacts("all-values", bit_depth=bit_depth, image_size=(2 ** (bit_depth - 4), 16))
    pixels = np.arange(2**bit_depth).reshape(facts.image_size).astype(facts.dtype)
    found = tf.function(decode)(tf.constant(png(pixels)), facts)
    assert found.shape == (*facts.image_size, 1) and found.dtype == tf.float32
    # To the last bit or the one before: TensorFlow multiplies with the reciprocal.
    np.testing.assert_array_max_ulp(found[..., 0].numpy(), (pixels / (2**bit_depth - 1)).astype(np.float32), 2)


GREY = np.full((24, 20), 900, np.uint16)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (png(GREY.astype(np.uint8)), "16-bit PNG expected"),
        (png(np.zeros((24, 20, 3), np.uint8)), "one grey channel expected"),
        (png(GREY.T.copy()), "24 x 20 px expected"),
        (png(GREY * 5), "a pixel is above 4095"),
        (b"", "not a PNG file"),
        (b"\xff\xd8\xff\xe0" + bytes(60), "not a PNG file"),
        (png(GREY)[:20], "not a PNG file"),
        (png(np.random.default_rng(0).integers(0, 4096, (24, 20)).astype(np.uint16))[:300], "PNG"),
    ],
    ids=["8 bit", "colour", "turned", "too bright", "empty", "jpeg", "header cut", "body cut"],
)
def test_serving_bytes_refuses_what_training_never_saw(served, data, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        served["serving_bytes"](image_bytes=tf.constant([png(GREY), data]))


def test_each_weight_is_stored_once(version, model):
    stored = sum(path.stat().st_size for path in version.glob("variables/variables.data*"))
    weights = sum(w.nbytes for w in model.get_weights())
    assert weights <= stored < 1.05 * weights


C_LOADER = """
import ctypes, importlib.util, json, sys
from pathlib import Path
import numpy as np

folder, source, target, images, answers = sys.argv[1:]
libraries = Path(importlib.util.find_spec("tensorflow").origin).parent
ctypes.CDLL(str(next(libraries.glob("libtensorflow_framework.so*"))), ctypes.RTLD_GLOBAL)
tf = ctypes.CDLL(str(next(libraries.glob("libtensorflow_cc.so*"))), ctypes.RTLD_GLOBAL)
pointer, name = ctypes.c_void_p, ctypes.c_char_p

class Output(ctypes.Structure):
    _fields_ = [("operation", pointer), ("index", ctypes.c_int)]

def function(symbol, result, *arguments):
    f = getattr(tf, symbol)
    f.restype, f.argtypes = result, arguments
    return f

status = function("TF_NewStatus", pointer)()
def check():
    assert function("TF_GetCode", ctypes.c_int, pointer)(status) == 0, function("TF_Message", name, pointer)(status)

graph = function("TF_NewGraph", pointer)()
load = function("TF_LoadSessionFromSavedModel", pointer, pointer, pointer, name, ctypes.POINTER(name), ctypes.c_int,
                pointer, pointer, pointer)
session = load(function("TF_NewSessionOptions", pointer)(), None, folder.encode(), (name * 1)(b"serve"), 1, graph, None,
               status)
check()
def output(tensor):
    operation, index = tensor.split(":")
    found = function("TF_GraphOperationByName", pointer, pointer, name)(graph, operation.encode())
    assert found, tensor
    return Output(found, int(index))

x = np.load(images)
size = ctypes.c_int64
tensor = function("TF_AllocateTensor", pointer, ctypes.c_int, ctypes.POINTER(size), ctypes.c_int, ctypes.c_size_t)(
    1, (size * x.ndim)(*x.shape), x.ndim, x.nbytes)
data = function("TF_TensorData", pointer, pointer)
ctypes.memmove(data(tensor), x.ctypes.data, x.nbytes)
result = (pointer * 1)()
run = function("TF_SessionRun", None, pointer, pointer, ctypes.POINTER(Output), ctypes.POINTER(pointer), ctypes.c_int,
               ctypes.POINTER(Output), ctypes.POINTER(pointer), ctypes.c_int, pointer, ctypes.c_int, pointer, pointer)
run(session, None, (Output * 1)(output(source)), (pointer * 1)(tensor), 1, (Output * 1)(output(target)), result, 1,
    None, 0, None, status)
check()
count = function("TF_TensorByteSize", ctypes.c_size_t, pointer)(result[0]) // 4
found = np.ctypeslib.as_array((ctypes.c_float * count).from_address(data(result[0])))
assert "tensorflow" not in sys.modules
Path(answers).write_text(json.dumps(found.tolist()))
"""


def test_the_c_loader_that_tensorflow_serving_is_made_of_runs_it(version, images, keras_probability, tmp_path):
    """No Python TensorFlow in that process, only the shared library: what was exported does not lean on Keras."""
    proto = saved_model_pb2.SavedModel.FromString((version / "saved_model.pb").read_bytes())
    signature = proto.meta_graphs[0].signature_def["serving_default"]
    names = signature.inputs["brightfield"].name, signature.outputs["probability"].name
    np.save(tmp_path / "images.npy", images[:6])
    arguments = [version, *names, tmp_path / "images.npy", tmp_path / "answers.json"]
    done = subprocess.run([sys.executable, "-c", C_LOADER, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(Path(tmp_path / "answers.json").read_text())
    np.testing.assert_allclose(found, keras_probability[:6], atol=1e-5)
