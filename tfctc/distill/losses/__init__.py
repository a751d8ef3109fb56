"""Distillation losses by name, one module each. The base class and the registry are in `base`."""

from tfctc.distill.losses.base import (
    COUNTS,
    INPUTS,
    LABEL,
    LOSSES,
    OWN_LOGITS,
    DistillationLoss,
    Tensors,
    build_losses,
    check_maps,
    check_number,
)

__all__ = [
    "COUNTS",
    "INPUTS",
    "LABEL",
    "LOSSES",
    "OWN_LOGITS",
    "DistillationLoss",
    "Tensors",
    "build_losses",
    "check_maps",
    "check_number",
]
