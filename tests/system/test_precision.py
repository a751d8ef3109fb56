"""Precision: a choice by instructions and network, which is the same at every call."""

import re

import pytest

from tfctc.models.backbones import BACKBONES
from tfctc.system.precision import BFLOAT16_GAIN, POLICIES, choose_precision


@pytest.mark.parametrize(
    ("backbone", "flags", "gpu", "precision", "reason"),
    [
        (
            "resnet50",
            {"avx2", "amx_bf16", "avx512_bf16"},
            False,
            "bfloat16",
            "has AMX; float32 took 1.3 to 1.6 times as long",
        ),
        ("resnet50", {"amx_bf16"}, False, "bfloat16", "has AMX; "),
        ("resnet50", {"avx2", "avx512_bf16"}, False, "bfloat16", "has AVX512-BF16; .* for resnet50"),
        (
            "resnet50",
            {"avx2", "avx512f"},
            False,
            "float32",
            "no AMX or AVX512-BF16, .* bfloat16 took 8 times as long or more",
        ),
        ("resnet50", set(), False, "float32", "no AMX or AVX512-BF16"),
        ("compact", {"amx_bf16"}, False, "float32", "has AMX, but .* not been measured for compact"),
        ("resnet50", {"amx_bf16"}, True, "float32", "on a GPU; .* not been measured"),
        ("resnet50", set(), True, "float32", "on a GPU"),
    ],
)
def test_instructions_and_network_decide(backbone, flags, gpu, precision, reason):
    choices = {choose_precision(backbone, frozenset(flags), gpu) for _ in range(3)}
    (choice,) = choices
    assert choice.precision == precision
    assert re.search(reason, choice.reason), choice.reason


def test_what_is_chosen_is_known_and_measured_for_backbones_that_exist():
    assert set(BFLOAT16_GAIN) <= set(BACKBONES)
    for backbone in BACKBONES:
        for flags in (set(), {"amx_bf16"}, {"avx512_bf16"}):
            assert choose_precision(backbone, frozenset(flags)).precision in POLICIES
