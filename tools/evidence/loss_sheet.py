"""Picture of each distillation loss for the catalogue: which differences from the teacher it ignores.

    python tools/evidence loss-sheet --out docs/catalogue/losses

`--out` is a folder; it gets one PNG for each registered loss. For a loss that reads a teacher, the student's features
are the teacher's own after a transformation, and the picture shows the value of the loss. A projector is trained first,
on other cells. All features are synthetic. For a loss that reads DAPI, a small network is trained with this loss alone
on simulated cells, and the picture shows what it has learnt about cells that it has not seen.
"""

from collections.abc import Callable
from itertools import islice

import numpy as np
from common import CheckError, log
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from scipy.special import softmax

from tfctc.cells import BRIGHTFIELD, DAPI
from tfctc.system.startup import start_tensorflow

#: Number of synthetic cells for which the loss is computed; a projector is trained on `TIMES` as many.
CELLS, TIMES = 64, 8
#: Channels of the features, and height and width of the maps.
CHANNELS, SIDE = 8, 6
PROJECTOR_STEPS, PROJECTOR_RATE = 300, 0.02
#: A change counts as ignored if it raises the loss by less than this share of the rise for shuffled cells.
IGNORED = 0.05
#: For losses that read DAPI: numbers of simulated cells to train on and to show, image size, and batch size.
TRAINED, SHOWN, SIZE, BATCH = 1024, 24, 32, 32
DPI = 100
CALM, ALARM = "#2a78b5", "#d9722e"


def add_options(parser) -> None:
    parser.add_argument("--only", action="append", default=[], help="this loss alone; may be repeated")
    parser.add_argument("--steps", type=int, default=200, help="training steps with a loss that reads DAPI")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers")


def draw(options) -> dict[str, Image.Image]:
    """Name of a loss -> its picture."""
    start_tensorflow(training=True)
    import tensorflow as tf

    from tfctc.distill.losses import LOSSES

    tf.get_logger().setLevel("ERROR")  # Every projector has its own tf.function; TensorFlow warns of many.
    pictures = {}
    for name in options.only or LOSSES:
        loss = LOSSES[name]()
        if not loss.reads_dapi:
            values = invariances(name, options.seed)
            log.info("%s: %s", name, ", ".join(f"{key} {value:.3g}" for key, value in values.items()))
            pictures[name] = chart(name, values, trained=bool(prepared(name).trainable_variables))
        elif name in DAPI_PICTURES:
            pictures[name] = DAPI_PICTURES[name](loss, options.steps, options.seed)
        else:
            raise CheckError(f"{name} reads DAPI: add its picture to DAPI_PICTURES in loss_sheet.py")
    return pictures


def transformations(rng: np.random.Generator) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Name -> function that changes features ``(B, ..., C)``, all cells in the same way."""
    order = {width: rng.permutation(width) for width in (2, CHANNELS)}
    order[2] = np.array([1, 0])
    # An orthogonal matrix of each width (a rotation by 60 degrees for two).
    turn = {width: np.linalg.qr(rng.normal(size=(width, width)))[0] for width in order}
    turn[2] = np.array([[0.5, -np.sqrt(0.75)], [np.sqrt(0.75), 0.5]])
    noise = np.random.default_rng(rng.integers(2**32))

    def shuffled(x):
        return np.roll(x, 1, axis=0)

    return {
        "the same": lambda x: x,
        "scaled × 3": lambda x: 3 * x,
        "shifted by 1": lambda x: x + 1,
        "channels permuted": lambda x: x[..., order[x.shape[-1]]],
        "channels rotated": lambda x: x @ turn[x.shape[-1]],
        "noise added": lambda x: x + x.std() * noise.normal(size=x.shape),
        "cells shuffled": shuffled,
    }


def teacher_features(cells: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Synthetic features by tap; 0 or more, as after a ReLU, except for the logits."""
    hidden = rng.normal(size=(cells, 4))
    mixing = np.random.default_rng(0).normal(size=(4, CHANNELS))
    rows, columns = np.mgrid[:SIDE, :SIDE]
    centre = rng.uniform(1, SIDE - 2, size=(2, cells, 1, 1))
    spot = np.exp(-((rows - centre[0]) ** 2 + (columns - centre[1]) ** 2) / 3)[..., np.newaxis]
    strength = np.maximum(hidden @ mixing, 0)[:, np.newaxis, np.newaxis]
    background = 0.1 * np.abs(rng.normal(size=(cells, SIDE, SIDE, CHANNELS)))
    return {
        "logits": np.stack([-hidden[:, 0], hidden[:, 0]], axis=1),
        "embedding": np.maximum(hidden @ mixing + 0.2 * rng.normal(size=(cells, CHANNELS)), 0),
        "map": spot * strength + background,
    }


def prepared(name: str):
    """A loss with its default arguments, prepared for the synthetic features."""
    import keras

    from tfctc.distill.losses import LOSSES

    keras.utils.set_random_seed(0)
    loss = LOSSES[name]()
    taps = of_taps(teacher_features(2, np.random.default_rng(0)), {*loss.student_taps, *loss.teacher_taps})
    shapes = {tap: (None, *features.shape[1:]) for tap, features in taps.items()}
    loss.prepare(shapes, shapes, (None, SIZE, SIZE, 1))
    return loss


def of_taps(features: dict[str, np.ndarray], taps: set[str]) -> dict[str, np.ndarray]:
    return {tap: np.float32(features.get(tap, features["map"])) for tap in taps}


def invariances(name: str, seed: int) -> dict[str, float]:
    """Mean value of a loss for each transformation, where the student's features are the teacher's, transformed."""
    values = {}
    for change in transformations(np.random.default_rng(seed)):
        # The same random numbers for each loss and each transformation: same cells, same change.
        rng = np.random.default_rng([seed, 1])
        seen, fresh = teacher_features(TIMES * CELLS, rng), teacher_features(CELLS, rng)
        changed = transformations(np.random.default_rng(seed))[change]
        loss = prepared(name)
        train_projector(loss, seen, changed)
        values[change] = float(mean_value(loss, *arguments(loss, fresh, changed)))
    return values


def arguments(loss, teacher: dict[str, np.ndarray], changed: Callable[[np.ndarray], np.ndarray]) -> list[dict]:
    """Arguments of a loss: taps of the student, taps of the teacher, inputs."""
    from tfctc.data.soft_labels import SOFT_LABEL
    from tfctc.distill.losses import COUNTS, LABEL, OWN_LOGITS

    student = {tap: changed(x) for tap, x in teacher.items()}
    given = {COUNTS: np.ones(CELLS, np.float32), LABEL: np.float32(teacher["logits"][:, 1] > 0)}
    given[SOFT_LABEL] = np.float32(softmax(teacher["logits"], axis=-1))
    if OWN_LOGITS in loss.inputs:
        # In place of a teacher: the student's own logits, of cells without a label.
        given |= {OWN_LOGITS: np.float32(teacher["logits"]), LABEL: np.full(CELLS, -1, np.float32)}
    taps = of_taps(student, set(loss.student_taps)), of_taps(teacher, set(loss.teacher_taps))
    return [*taps, {key: given[key] for key in loss.inputs}]


def mean_value(loss, learnt, taught, inputs):
    """Mean of the loss over cells, as a tensor."""
    from keras import ops

    return ops.mean(loss(*({key: ops.convert_to_tensor(x) for key, x in x.items()} for x in (learnt, taught, inputs))))


def train_projector(loss, teacher: dict[str, np.ndarray], changed: Callable[[np.ndarray], np.ndarray]) -> None:
    """Trains the weights of a loss, if it has any, on changed features."""
    import keras
    import tensorflow as tf

    if not loss.trainable_variables:
        return
    optimizer = keras.optimizers.Adam(PROJECTOR_RATE)
    optimizer.build(loss.trainable_variables)

    @tf.function
    def step(*given):
        with tf.GradientTape() as tape:
            value = mean_value(loss, *given)
        gradients = tape.gradient(value, loss.trainable_variables)
        optimizer.apply_gradients(zip(gradients, loss.trainable_variables, strict=True))

    parts = range(0, TIMES * CELLS, CELLS)
    batches = [arguments(loss, {tap: x[i : i + CELLS] for tap, x in teacher.items()}, changed) for i in parts]
    batches = [[{key: tf.constant(x) for key, x in given.items()} for given in batch] for batch in batches]
    for number in range(PROJECTOR_STEPS):
        step(*batches[number % TIMES])


def chart(name: str, values: dict[str, float], trained: bool) -> Image.Image:
    """Bar chart of the value of a loss for each transformation."""
    figure = Figure(figsize=(7.2, 2.7), dpi=DPI, layout="constrained")
    axis = figure.subplots()
    limit = values["the same"] + IGNORED * (values["cells shuffled"] - values["the same"])
    names = list(values)
    colours = [CALM if value <= limit else ALARM for value in values.values()]
    axis.barh(names, list(values.values()), color=colours, height=0.7)
    most = max(values.values())
    for place, value in enumerate(values.values()):
        word = "ignored" if place and value <= limit else ""
        axis.text(value + 0.01 * most, place, f"{abs(value):.3f}  {word}", va="center", fontsize=9)
    axis.invert_yaxis()
    axis.set_xlim(0, 1.22 * most)
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=9)
    after = "; its projector was trained for each bar" if trained else ""
    axis.set_title(f"{name}: the student has the teacher's features, but ...", fontsize=10, loc="left")
    axis.set_xlabel(f"value of the loss{after}", fontsize=9)
    return rendered(figure)


def simulated_images(seed: int) -> dict[str, np.ndarray]:
    """Channel -> images ``(TRAINED + SHOWN, H, W, 1)`` in [0, 1]; the cells to show are the last ones."""
    from tfctc.data.simulate import SimulationOptions, simulate_cells

    options = SimulationOptions(size=SIZE)
    cells = list(islice(simulate_cells(TRAINED + SHOWN, seed=seed, options=options), TRAINED + SHOWN))
    images = {channel: np.stack([getattr(cell, channel) for cell in cells]) for channel in (BRIGHTFIELD, DAPI)}
    return {channel: np.float32(x[..., np.newaxis] / options.facts.full_scale) for channel, x in images.items()}


def small_student(loss, images: dict[str, np.ndarray], seed: int):
    """An untrained compact network with the taps that a loss reads; prepares the loss for these taps."""
    import keras

    from tfctc.config import ModelConfig
    from tfctc.models.classifier import build_classifier, with_taps

    keras.utils.set_random_seed(seed)
    config = ModelConfig(backbone="compact")
    statistics = {BRIGHTFIELD: (float(images[BRIGHTFIELD].mean()), float(images[BRIGHTFIELD].std()))}
    network = with_taps(build_classifier(config, (SIZE, SIZE), statistics), config, set(loss.student_taps))
    loss.prepare({tap: tuple(x.shape) for tap, x in network.output.items()}, {}, (None, SIZE, SIZE, 1))
    return network


def train_on_dapi(network, loss, images: dict[str, np.ndarray], steps: int, seed: int) -> None:
    """Trains a network and the weights of a loss on simulated pairs, with this loss alone."""
    import keras
    import tensorflow as tf

    variables = [*network.trainable_variables, *loss.trainable_variables]
    optimizer = keras.optimizers.Adam(3e-3)
    optimizer.build(variables)

    @tf.function
    def step(brightfield, dapi):
        with tf.GradientTape() as tape:
            learnt = network({BRIGHTFIELD: brightfield}, training=True)
            value = tf.reduce_mean(loss(learnt, {}, {DAPI: dapi, "counts": tf.ones(BATCH)}))
        gradients = tape.gradient(value, variables)
        kept = [(g, v) for g, v in zip(gradients, variables, strict=True) if g is not None]
        optimizer.apply_gradients(kept)
        return value

    rng = np.random.default_rng(seed)
    for _ in range(steps):
        cells = rng.choice(TRAINED, BATCH, replace=False)
        value = step(images[BRIGHTFIELD][cells], images[DAPI][cells])
    log.info("%s: %.3f after %d steps", loss.name, float(value), steps)


def staining(loss, steps: int, seed: int) -> Image.Image:
    """Picture of bright-field images, DAPI images, and the DAPI images that the decoder predicts."""
    images = simulated_images(seed)
    network = small_student(loss, images, seed)
    train_on_dapi(network, loss, images, steps, seed)
    number = 8
    shown = {channel: x[-number:] for channel, x in images.items()}
    learnt = network({BRIGHTFIELD: shown[BRIGHTFIELD]}, training=False)
    predicted = loss.predict_dapi(learnt[loss.tap]).numpy()
    figure = Figure(figsize=(7.2, 3.1), dpi=DPI, layout="constrained")
    rows = {"bright-field": shown[BRIGHTFIELD], "DAPI": shown[DAPI], "predicted": predicted}
    axes = figure.subplots(len(rows), number)
    for row, (title, pictures) in zip(axes, rows.items(), strict=True):
        for axis, picture in zip(row, pictures, strict=True):
            axis.imshow(picture[..., 0], cmap="gray", interpolation="nearest")
            axis.set(xticks=[], yticks=[])
        row[0].set_ylabel(title, fontsize=9)
    for axis, real, guess in zip(axes[-1], shown[DAPI], predicted, strict=True):
        axis.set_xlabel(f"r = {np.corrcoef(real.ravel(), guess.ravel())[0, 1]:.2f}", fontsize=9)
    figure.suptitle(f"staining: DAPI predicted after {steps} steps, simulated cells not trained on", fontsize=10)
    return rendered(figure)


def alignment(loss, steps: int, seed: int) -> Image.Image:
    """Picture of the similarity of each bright-field image to each DAPI image, before and after training."""
    from keras import ops

    from tfctc.distill.losses.arithmetic import unit

    images = simulated_images(seed)
    network = small_student(loss, images, seed)
    shown = {channel: x[-SHOWN:] for channel, x in images.items()}

    def similarity():
        learnt = network({BRIGHTFIELD: shown[BRIGHTFIELD]}, training=False)["embedding"]
        taught = loss.encode(ops.convert_to_tensor(shown[DAPI]))
        return ops.matmul(unit(loss.projector(learnt)), ops.transpose(unit(taught))).numpy()

    found = {"before training": similarity()}
    train_on_dapi(network, loss, images, steps, seed)
    found[f"after {steps} steps"] = similarity()
    figure = Figure(figsize=(7.2, 3.6), dpi=DPI, layout="constrained")
    axes = figure.subplots(1, 2)
    for axis, (title, matrix) in zip(axes, found.items(), strict=True):
        drawn = axis.imshow(matrix, cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest")
        first = int((matrix.argmax(axis=1) == np.arange(SHOWN)).sum())
        axis.set_title(f"{title}: {first} of {SHOWN} find their own", fontsize=9)
        axis.set(xticks=[], yticks=[])
        axis.set_xlabel("DAPI image of cell", fontsize=9)
    axes[0].set_ylabel("bright-field image of cell", fontsize=9)
    figure.colorbar(drawn, ax=axes, shrink=0.8, label="cosine").ax.tick_params(labelsize=8)
    figure.suptitle("alignment: similarity of images, simulated cells not trained on", fontsize=10)
    return rendered(figure)


def rendered(figure: Figure) -> Image.Image:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB").quantize(96)


#: Losses that read DAPI -> function that draws their picture.
DAPI_PICTURES = {"staining": staining, "alignment": alignment}
