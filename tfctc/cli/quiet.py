"""TensorFlow without its start-up chatter."""

import contextlib
import os
import tempfile
from collections.abc import Iterator


def import_tensorflow() -> None:
    """Imports TensorFlow and looks for devices, saying nothing unless that fails.

    TensorFlow 2.21 writes to the process's stderr before it reads TF_CPP_MIN_LOG_LEVEL: five lines about oneDNN and a
    GPU that is not there, which users take for errors.
    """
    with _stderr_held_back():
        import tensorflow as tf

        tf.config.list_physical_devices()


@contextlib.contextmanager
def _stderr_held_back() -> Iterator[None]:
    """Holds back what C++ code writes to stderr, and gives it out after all if the block raises."""
    with tempfile.TemporaryFile() as held:
        stderr = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(stderr, held.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
