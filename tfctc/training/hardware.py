"""What trains fastest on this machine: measured once, remembered for every later run.

TensorFlow is imported inside the functions: one of the choices must be made before that.
"""

import contextlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tfctc.config import ModelConfig
from tfctc.errors import OutputError
from tfctc.files import write_json

#: How much faster, as a ratio, another way must be than the plain one; less is noise.
WORTHWHILE = 1.1
ONEDNN = "TF_ENABLE_ONEDNN_OPTS"
POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}
#: One convolution trained, alone in a process: the variable counts when TensorFlow is imported, and never after.
PROBE = """
import time
import tensorflow as tf
x, w = tf.random.normal((32, 16, 16, 64)), tf.Variable(tf.random.normal((3, 3, 64, 64)))
@tf.function
def step():
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(tf.nn.conv2d(x, w, 1, "SAME") ** 2)
    return [tf.reduce_sum(g) for g in tape.gradient(loss, [x, w])]
def seconds():
    start = time.perf_counter()
    step()[0].numpy()
    return time.perf_counter() - start
print(min([seconds() for _ in range(12)][2:]))
"""


def processor() -> str:
    """The processor's own name, or what Python calls it."""
    try:
        with open("/proc/cpuinfo", encoding="ascii") as file:
            return next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def switch_onednn(say: Callable[[str], None] = lambda line: None) -> None:
    """Sets whether TensorFlow, not yet imported, uses oneDNN: what was faster here, unless the user has set it.

    TensorFlow's own default is off on AMD, where training can be three times slower for it.
    """
    if ONEDNN not in os.environ and "tensorflow" not in sys.modules:

        def measure():
            say("Measuring, once on this machine, whether oneDNN is faster")
            return {value: _probe(value) for value in ("0", "1")}

        os.environ[ONEDNN] = _remembered("oneDNN", measure)


def _probe(value: str) -> float:
    environment = os.environ | {ONEDNN: value, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run([sys.executable, "-c", PROBE], env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)


def choose_precision(
    part: ModelConfig, image_size: tuple[int, int], batch_size: int, say: Callable[[str], None] = lambda line: None
) -> str:
    """A key of `POLICIES`: float32 unless a training step of this network is clearly faster here in 16 bits.

    Weights, BatchNorm statistics, logits and losses are float32 either way. bfloat16 has float32's range; float16 has
    not, and is only tried on a GPU.
    """
    import tensorflow as tf

    details = map(tf.config.experimental.get_device_details, tf.config.list_physical_devices("GPU"))
    gpus = [str(of.get("device_name")) for of in details]
    names = ["float32", "bfloat16", *(["float16"] if gpus else [])]
    height, width = image_size
    question = f"precision of {part.backbone}, {height} x {width} px, batch {batch_size}"
    # 0: as many as there are cores, which is the machine's own.
    question += f", {tf.config.threading.get_intra_op_parallelism_threads()} threads"
    question += f", oneDNN {os.environ.get(ONEDNN, 'as it comes')}, {' + '.join(gpus) or 'no GPU'}"

    def measure():
        say(f"Measuring, once for this network and size, whether {' or '.join(names[1:])} is faster")
        return {name: _step_seconds(POLICIES[name], part, image_size, batch_size) for name in names}

    return _remembered(question, measure)


def _step_seconds(policy: str, part: ModelConfig, image_size: tuple[int, int], batch_size: int) -> float:
    """Of the forward and backward pass of one batch: the fastest of three."""
    import keras
    import tensorflow as tf

    from tfctc.models.classifier import build_classifier

    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy(policy)
    try:
        blank = ModelConfig(part.backbone, part.channels)
        model = build_classifier(blank, image_size, dict.fromkeys(part.channels, (0.5, 0.3)))
    finally:
        keras.mixed_precision.set_dtype_policy(before)
    x = {channel: tf.random.stateless_uniform((batch_size, *image_size, 1), (0, 1)) for channel in part.channels}
    weights = [w.value for w in model.trainable_variables]

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(x, training=True) ** 2)
        return tf.add_n([tf.reduce_sum(g) for g in tape.gradient(loss, weights)])

    seconds = []
    for _ in range(4):
        start = time.perf_counter()
        step().numpy()
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])


def _remembered(question: str, measure: Callable[[], dict[str, float]]) -> str:
    """The answer to a question about this machine: what takes clearly fewer seconds than the first, or the first."""
    path = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tfctc" / "machine.json"
    machine = f"{processor()}, {os.cpu_count()} cores, TensorFlow {importlib.metadata.version('tensorflow')}"
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}
    known = known if isinstance(known, dict) else {}
    answers = known.setdefault(machine, {})
    if question not in answers:
        seconds = measure()
        plain, best = next(iter(seconds)), min(seconds, key=seconds.get)
        answer = best if seconds[plain] > WORTHWHILE * seconds[best] else plain
        answers[question] = {"answer": answer, "seconds": seconds}
        # A home that cannot be written to is no reason not to train; it is measured again next time.
        with contextlib.suppress(OutputError):
            write_json(path, known)
    return answers[question]["answer"]
