"""Repeats among many names."""

import errno
import io
import os
import tempfile
import tracemalloc
from collections import Counter

import numpy as np
import pytest

from tfctc.errors import OutputError
from tfctc.io import duplicates
from tfctc.io.duplicates import Fingerprints, fingerprint


def test_the_repeated_are_those_that_a_counter_counts():
    names = [f"cell{i}" for i in np.random.default_rng(0).integers(0, 5000, 3000)]
    with Fingerprints() as seen:
        assert not seen and seen.repeated() == set()
        for name in names:
            seen.add(name)
        assert len(seen) == len(names)
        assert seen.repeated() == {fingerprint(name) for name, count in Counter(names).items() if count > 1}


def test_names_of_one_fingerprint_are_suspected(monkeypatch):
    monkeypatch.setattr(duplicates, "_digest", lambda name: bytes(8))
    with Fingerprints() as seen:
        seen.add("a")
        seen.add("b")
        assert seen.repeated() == {fingerprint("a")}


def test_a_name_that_is_not_utf8_has_a_fingerprint_too():
    assert len({fingerprint(name) for name in ("b\udcfc", "b\udcfd", "bü")}) == 3


def test_no_folder_for_temporary_files_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(OutputError, match="^temporary files cannot be written .No such file.*; set TMPDIR to a folder"):
        Fingerprints()


@pytest.mark.parametrize("names", [1, 100_000])
def test_a_full_folder_of_temporary_files_is_one_line(monkeypatch, tmp_path, names):
    """Of few names it is noticed when they are read, of many when they are added; then closing fails as well."""

    class Full(io.FileIO):
        def write(self, data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tempfile, "TemporaryFile", lambda: io.BufferedRandom(Full(tmp_path / "file", "w+")))
    with pytest.raises(OutputError, match="^temporary .* written .No space left.*; set TMPDIR"), Fingerprints() as seen:
        for i in range(names):
            seen.add(str(i))
        seen.repeated()


def test_memory_does_not_grow_with_the_names():
    peaks = []
    for names in (500, 500, 20_000):
        tracemalloc.start()
        with Fingerprints() as seen:
            for i in range(names):
                seen.add(f"cell{i}")
            assert not seen.repeated()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < 1.2 * peaks[1]
