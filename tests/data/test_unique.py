"""Repeats among many names."""

import tracemalloc
from collections import Counter

import numpy as np

from tfctc.data import unique
from tfctc.data.unique import Fingerprints, fingerprint


def test_the_repeated_are_those_that_a_counter_counts():
    names = [f"cell{i}" for i in np.random.default_rng(0).integers(0, 5000, 3000)]
    with Fingerprints() as seen:
        assert not seen and seen.repeated() == set()
        for name in names:
            seen.add(name)
        assert len(seen) == len(names)
        assert seen.repeated() == {fingerprint(name) for name, count in Counter(names).items() if count > 1}


def test_names_of_one_fingerprint_are_suspected(monkeypatch):
    monkeypatch.setattr(unique, "_digest", lambda name: bytes(8))
    with Fingerprints() as seen:
        seen.add("a")
        seen.add("b")
        assert seen.repeated() == {fingerprint("a")}


def test_a_name_that_is_not_utf8_has_a_fingerprint_too():
    assert len({fingerprint(name) for name in ("b\udcfc", "b\udcfd", "bü")}) == 3


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
