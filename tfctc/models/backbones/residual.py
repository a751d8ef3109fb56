"""Basic residual block (He et al. 2015, arXiv 1512.03385, figure 5 left) of ResNet34 and the compact backbone."""

import keras


def convolution(x: keras.KerasTensor, filters: int, kernel: int, strides: int, name: str) -> keras.KerasTensor:
    """Convolution without bias, then BatchNorm (which makes a bias pointless)."""
    x = keras.layers.Conv2D(
        filters, kernel, strides, padding="same", use_bias=False, kernel_initializer="he_normal", name=f"{name}_conv"
    )(x)
    return keras.layers.BatchNormalization(epsilon=1e-5, name=f"{name}_bn")(x)


def basic_block(x: keras.KerasTensor, filters: int, strides: int, name: str) -> keras.KerasTensor:
    """Two 3 x 3 convolutions and a shortcut; the output layer is called `name`_out."""
    y = convolution(x, filters, 3, strides, f"{name}_1")
    y = keras.layers.ReLU(name=f"{name}_1_relu")(y)
    y = convolution(y, filters, 3, 1, f"{name}_2")
    if strides > 1 or x.shape[-1] != filters:
        x = convolution(x, filters, 1, strides, f"{name}_0")
    return keras.layers.ReLU(name=f"{name}_out")(keras.layers.Add(name=f"{name}_add")([x, y]))


def stages(x: keras.KerasTensor, widths: tuple[int, ...], depths: tuple[int, ...]) -> keras.KerasTensor:
    """Stages of basic blocks; each but the first halves the resolution. Block j of stage i is stage`i`_block`j`."""
    for i, (width, depth) in enumerate(zip(widths, depths, strict=True), 1):
        for j in range(1, depth + 1):
            x = basic_block(x, width, 2 if i > 1 and j == 1 else 1, f"stage{i}_block{j}")
    return x


def taps(depths: tuple[int, ...]) -> dict[str, str]:
    """Tap name -> layer name: the last block of every stage."""
    return {f"stage{i}": f"stage{i}_block{depth}_out" for i, depth in enumerate(depths, 1)}
