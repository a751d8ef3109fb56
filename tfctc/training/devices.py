"""TensorFlow's start, without its chatter, and the devices a run uses."""

import contextlib
import os
import tempfile
from collections.abc import Iterator


def import_tensorflow() -> None:
    """Imports TensorFlow and looks for devices, saying nothing unless that fails.

    TensorFlow 2.21 writes to the process's stderr before it reads TF_CPP_MIN_LOG_LEVEL: five lines about oneDNN and a
    GPU that is not there, which users take for errors.

    A GPU gives memory as it is needed: left alone, TensorFlow takes all of it, and nothing beside it would run. float32
    means float32 there, and not TF32, which keeps ten bits of each factor; bfloat16 is the fast choice, and one in the
    record. And the same command gives the same result.
    """
    with _stderr_held_back():
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, True)
        if gpus:
            tf.config.experimental.enable_tensor_float_32_execution(False)
            tf.config.experimental.enable_op_determinism()


def choose_strategy():
    """`tf.distribute`: every GPU there is, mirrored; without one, or with one, TensorFlow's default."""
    import tensorflow as tf

    if len(tf.config.list_logical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


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
