"""The processor, by a description written for the test and by the system's own."""

import io
import platform
import subprocess
from pathlib import Path

import pytest

from tfctc.system import processor
from tfctc.system.processor import processor_flags, processor_name

CPUINFO = """processor\t: 0
vendor_id\t: GenuineIntel
model name\t: A Processor: 3.2 GHz
flags\t\t: fpu avx2 amx_bf16 avx512_bf16
vmx flags\t: vnmi

processor\t: 1
model name\t: Another Processor
flags\t\t: sse
"""


def describe(monkeypatch, text):
    def opened(path, **options):
        assert path == "/proc/cpuinfo"
        if text is None:
            raise FileNotFoundError(path)
        return io.StringIO(text)

    monkeypatch.setattr(processor, "open", opened, raising=False)


def test_name_and_flags_are_those_of_the_first_core(monkeypatch):
    describe(monkeypatch, CPUINFO)
    assert processor_name() == "A Processor: 3.2 GHz"
    assert processor_flags() == {"fpu", "avx2", "amx_bf16", "avx512_bf16"}


@pytest.mark.parametrize("text", [None, "", "Features\t: fp asimd bf16\n"])
def test_a_system_that_tells_nothing_has_no_flags(monkeypatch, text):
    describe(monkeypatch, text)
    monkeypatch.setattr(platform, "processor", lambda: "arm")
    assert processor_flags() == frozenset() and processor_name() == "arm"


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="not Linux")
def test_they_are_what_another_program_reads():
    lines = subprocess.run(["grep", "-m1", "^flags", "/proc/cpuinfo"], capture_output=True, text=True).stdout
    assert sorted(processor_flags()) == sorted(set(lines.partition(":")[2].split()))
