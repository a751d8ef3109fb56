"""Start of TensorFlow: quiet import, oneDNN, GPUs, and the distribution strategy of a training."""

import contextlib
import os
import platform
import tempfile
from collections.abc import Iterator

#: Environment variable for oneDNN; TensorFlow reads it only while it is imported.
ONEDNN = "TF_ENABLE_ONEDNN_OPTS"


def start_tensorflow(training: bool = False) -> None:
    """Imports TensorFlow and configures the GPUs; prints nothing unless that fails.

    TensorFlow 2.21 writes to the process's stderr before it reads TF_CPP_MIN_LOG_LEVEL: five lines about oneDNN and a
    missing GPU, which users take for errors.

    Settings of the GPUs: memory is allocated as it is needed, because by default TensorFlow takes all of it and no
    other program could run. float32 products are exact float32, not TF32, which keeps ten bits of each factor. Kernels
    are deterministic.

    Args:
        training: whether a network will be trained. Then x86-64 processors use oneDNN, unless the variable `ONEDNN` is
            set. TensorFlow itself leaves oneDNN off on AMD, where a ResNet50 step of 64 px took 3 times as long
            (docs/speed.md).
    """
    if training and platform.machine().lower() in ("x86_64", "amd64"):
        os.environ.setdefault(ONEDNN, "1")
    with _stderr_held_back():
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, True)
        if gpus:
            tf.config.experimental.enable_tensor_float_32_execution(False)
            tf.config.experimental.enable_op_determinism()


def has_gpu() -> bool:
    """Whether TensorFlow sees a GPU."""
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def choose_strategy():
    """`tf.distribute` strategy of a training: `MirroredStrategy` over several GPUs, TensorFlow's default otherwise."""
    import tensorflow as tf

    if len(tf.config.list_logical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


@contextlib.contextmanager
def _stderr_held_back() -> Iterator[None]:
    """Discards all output to stderr in the block, that of C++ code too; prints it if the block raises."""
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
