"""ResNet50 in plain PyTorch, layer for layer as in keras.applications, for the benchmarks."""

import torch
from torch import nn

#: Width of the bottleneck, number of blocks, and stride of the first block, for each stage.
STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))


def _unit(inputs: int, outputs: int, kernel: int, stride: int, bias: bool) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=bias),
        nn.BatchNorm2d(outputs, eps=1.001e-5, momentum=0.1),
    ]


class Block(nn.Module):
    """Bottleneck block; its first 1 x 1 convolution has the stride (ResNet v1)."""

    def __init__(self, inputs: int, width: int, stride: int, project: bool, bias: bool):
        super().__init__()
        outputs = 4 * width
        self.shortcut = nn.Sequential(*_unit(inputs, outputs, 1, stride, bias)) if project else nn.Identity()
        self.path = nn.Sequential(
            *_unit(inputs, width, 1, stride, bias),
            nn.ReLU(inplace=True),
            *_unit(width, width, 3, 1, bias),
            nn.ReLU(inplace=True),
            *_unit(width, outputs, 1, 1, bias),
        )

    def forward(self, x):
        return torch.relu_(self.path(x) + self.shortcut(x))


class ResNet50(nn.Module):
    """Images ``(B, channels, H, W)`` in [0, 1] to logits ``(B, 2)``.

    Args:
        channels: number of input channels.
        mean, std: mean and standard deviation of the training pixels.
        bias: whether convolutions have a bias, as in Keras; before BatchNorm it has no effect.
    """

    def __init__(self, channels: int = 1, mean: float = 0.5, std: float = 0.3, bias: bool = True):
        super().__init__()
        self.mean, self.std = mean, std
        layers, inputs = [*_unit(channels, 64, 7, 2, bias), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)], 64
        for width, blocks, stride in STAGES:
            for i in range(blocks):
                layers.append(Block(inputs, width, stride if i == 0 else 1, i == 0, bias))
                inputs = 4 * width
        self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.logits = nn.Linear(inputs, 2)

    def forward(self, x):
        return self.logits(self.layers((x - self.mean) / self.std))


def from_keras(model) -> ResNet50:
    """PyTorch copy of a tfctc ResNet50 classifier of one channel, with its weights, in inference mode."""
    (norm,) = [layer for layer in model.layers if layer.name.startswith("normalise_")]
    twin = ResNet50(1, norm.mean.numpy().item(), norm.variance.numpy().item() ** 0.5)
    units = [m for m in twin.modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d)]
    names = ["conv1_conv", "conv1_bn"]
    for stage, (_, blocks, _) in enumerate(STAGES, 2):
        for block in range(1, blocks + 1):
            for part in (0, 1, 2, 3) if block == 1 else (1, 2, 3):
                names += [f"conv{stage}_block{block}_{part}_{kind}" for kind in ("conv", "bn")]
    with torch.no_grad():
        for unit, name in zip(units, names, strict=True):
            values = [torch.tensor(v) for v in model.get_layer(name).get_weights()]
            if isinstance(unit, nn.Conv2d):
                values[0] = values[0].permute(3, 2, 0, 1)
                targets = (unit.weight, unit.bias)
            else:
                targets = (unit.weight, unit.bias, unit.running_mean, unit.running_var)
            for target, value in zip(targets, values, strict=True):
                target.copy_(value)
        kernel, bias = model.get_layer("logits").get_weights()
        twin.logits.weight.copy_(torch.tensor(kernel.T))
        twin.logits.bias.copy_(torch.tensor(bias))
    return twin.eval()
