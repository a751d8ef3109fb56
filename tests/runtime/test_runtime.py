"""Runtimes: what all of them refuse alike. Their predictions are tested with the predictor and the export."""

import sys

import pytest

from tfctc.errors import DependencyError, UnknownNameError
from tfctc.runtime import RUNTIMES, load_network


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_what_is_no_network_is_refused(runtime):
    with pytest.raises(ValueError, match="."):
        load_network(b"no network at all", runtime=runtime)


def test_an_unknown_runtime_is_named():
    with pytest.raises(UnknownNameError, match="unknown runtime 'OpenVINO'; choose one of: litert, openvino"):
        load_network(b"", runtime="OpenVINO")


def test_a_runtime_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(DependencyError, match="OpenVINO is not installed; pip install openvino"):
        load_network(b"", runtime="openvino")
