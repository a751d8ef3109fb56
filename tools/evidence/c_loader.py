"""Predictions of a SavedModel by TensorFlow's C API and its C++ loader, without the Python library.

    python tools/evidence/c_loader.py exports/ctc/1 serving_default_brightfield:0 StatefulPartitionedCall:0 x.npy y.json

This script is called by `check_loader.py`. It needs NumPy and the shared libraries of an installed TensorFlow of any
version. The images are float32 ``(N, H, W, 1)`` in [0, 1]. The library's version and the N probabilities are written to
y.json. The C prototypes are those of tensorflow/c/c_api.h.
"""

import ctypes
import importlib.util
import json
import sys
from pathlib import Path

import numpy as np

FLOAT = 1
POINTER, NAME, SIZE = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int64


class Output(ctypes.Structure):
    """The C struct TF_Output."""

    _fields_ = [("operation", POINTER), ("index", ctypes.c_int)]


class Library:
    """The C API: `library(name, result type, argument types)(arguments)`."""

    def __init__(self):
        folder = Path(importlib.util.find_spec("tensorflow").origin).parent
        ctypes.CDLL(str(next(folder.glob("libtensorflow_framework.so*"))), ctypes.RTLD_GLOBAL)
        self._library = ctypes.CDLL(str(next(folder.glob("libtensorflow_cc.so*"))), ctypes.RTLD_GLOBAL)
        self.status = self("TF_NewStatus", POINTER)()

    def __call__(self, symbol: str, result, *arguments):
        function = getattr(self._library, symbol)
        function.restype, function.argtypes = result, arguments
        return function

    def check(self) -> None:
        """Ends the process with the library's message if the last call failed."""
        if self("TF_GetCode", ctypes.c_int, POINTER)(self.status):
            sys.exit(self("TF_Message", NAME, POINTER)(self.status).decode())


def run(folder: str, source: str, target: str, images: np.ndarray) -> dict:
    """Version of the library, and the value of tensor `target` of the SavedModel when `images` are fed to `source`."""
    tf = Library()
    graph, options = tf("TF_NewGraph", POINTER)(), tf("TF_NewSessionOptions", POINTER)()
    session = tf(
        "TF_LoadSessionFromSavedModel", POINTER,
        POINTER, POINTER, NAME, ctypes.POINTER(NAME), ctypes.c_int, POINTER, POINTER, POINTER,
    )(options, None, folder.encode(), (NAME * 1)(b"serve"), 1, graph, None, tf.status)  # fmt: skip
    tf.check()

    def tensor(name: str) -> Output:
        operation, index = name.split(":")
        found = tf("TF_GraphOperationByName", POINTER, POINTER, NAME)(graph, operation.encode())
        if not found:
            sys.exit(f"the graph has no operation {operation}")
        return Output(found, int(index))

    data = tf("TF_TensorData", POINTER, POINTER)
    given = tf("TF_AllocateTensor", POINTER, ctypes.c_int, ctypes.POINTER(SIZE), ctypes.c_int, ctypes.c_size_t)(
        FLOAT, (SIZE * images.ndim)(*images.shape), images.ndim, images.nbytes
    )
    ctypes.memmove(data(given), images.ctypes.data, images.nbytes)
    tensors, outputs = ctypes.POINTER(POINTER), ctypes.POINTER(Output)
    found = (POINTER * 1)()
    tf(
        "TF_SessionRun", None,
        POINTER, POINTER, outputs, tensors, ctypes.c_int, outputs, tensors, ctypes.c_int,
        POINTER, ctypes.c_int, POINTER, POINTER,
    )(
        session, None, (Output * 1)(tensor(source)), (POINTER * 1)(given), 1, (Output * 1)(tensor(target)), found, 1,
        None, 0, None, tf.status,
    )  # fmt: skip
    tf.check()
    count = tf("TF_TensorByteSize", ctypes.c_size_t, POINTER)(found[0]) // ctypes.sizeof(ctypes.c_float)
    probabilities = np.ctypeslib.as_array((ctypes.c_float * count).from_address(data(found[0]))).tolist()
    return {"tensorflow": tf("TF_Version", NAME)().decode(), "probability": probabilities}


if __name__ == "__main__":
    folder, source, target, images, output = sys.argv[1:]
    found = run(folder, source, target, np.load(images))
    assert "tensorflow" not in sys.modules
    Path(output).write_text(json.dumps(found))
