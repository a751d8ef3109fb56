"""Arithmetic of the layers: decided by the processor's instructions and the network, never by a clock.

So the same command on the same kind of machine trains the same weights. Weights, BatchNorm statistics, logits, losses
and everything that is saved are float32 in any case.
"""

from dataclasses import dataclass
from typing import Literal

Precision = Literal["float32", "bfloat16", "float16"]
#: Precision -> Keras dtype policy. float16 scales the loss.
POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}
#: Instructions that multiply bfloat16 numbers.
BFLOAT16_INSTRUCTIONS = {"amx_bf16": "AMX", "avx512_bf16": "AVX512-BF16"}
#: Backbone -> training speed in bfloat16 over float32 at 64 px and at 96 px, measured on a processor with such
#: instructions (docs/speed.md). A backbone that has not been measured trains in float32.
BFLOAT16_GAIN = {"resnet50": (1.3, 1.6)}
#: Training speed of a resnet50 in float32 over bfloat16 at 64 px, measured on a processor without such instructions:
#: by the fastest steps; by the median ones 12.6 (docs/speed.md).
BFLOAT16_LOSS = 8


@dataclass(frozen=True)
class PrecisionChoice:
    """A precision and why it was chosen, as one sentence."""

    precision: Precision
    reason: str


def choose_precision(backbone: str, processor_flags: frozenset[str], gpu: bool = False) -> PrecisionChoice:
    """The precision that `training.precision = "auto"` stands for.

    Args:
        backbone: name of the student's backbone.
        processor_flags: instruction sets of the processor.
        gpu: whether a GPU trains.
    """
    if gpu:
        return PrecisionChoice("float32", "on a GPU; bfloat16 may be faster there, which has not been measured")
    found = [name for flag, name in BFLOAT16_INSTRUCTIONS.items() if flag in processor_flags]
    names = " or ".join(BFLOAT16_INSTRUCTIONS.values())
    if not found:
        reason = f"this processor has no {names}, without which bfloat16 took {BFLOAT16_LOSS} times as long or more"
        return PrecisionChoice("float32", reason)
    if backbone not in BFLOAT16_GAIN:
        reason = f"this processor has {found[0]}, but the gain of bfloat16 has not been measured for {backbone}"
        return PrecisionChoice("float32", reason)
    least, most = BFLOAT16_GAIN[backbone]
    reason = f"this processor has {found[0]}; float32 took {least:g} to {most:g} times as long for {backbone}"
    return PrecisionChoice("bfloat16", reason)
