"""The mapping on disk against a dictionary."""

import random
from dataclasses import dataclass, field

import pytest

from tfctc.errors import OutputError
from tfctc.io.disk_dict import DiskDict


@dataclass
class Item:
    name: str
    parts: dict[str, tuple[int, int | None]] = field(default_factory=dict)


def test_it_is_a_dictionary_in_order_of_its_keys():
    rng, known, disk = random.Random(0), {}, DiskDict(Item)
    keys = ["", "a", "B", "é", "\U0001f9eb", "ä/1", "10", "9", "a b", "\uffff", "x" * 3000]
    for _ in range(500):
        key, value = rng.choice(keys), Item(str(rng.random()), {"p": (rng.randrange(9), None)})
        if rng.random() < 0.3:
            assert disk.pop(key, None) == known.pop(key, None)
        else:
            disk[key] = known[key] = value
        assert disk.get(key) == known.get(key) and (key in disk) == (key in known) and len(disk) == len(known)
    assert list(disk.items()) == sorted(known.items())
    for missing in (lambda: disk["none"], lambda: disk.__delitem__("none")):
        with pytest.raises(KeyError):
            missing()


def test_a_value_that_was_read_is_a_copy():
    disk = DiskDict(Item)
    disk["a"] = Item("one")
    disk["a"].name = "two"
    assert disk["a"].name == "one"


def test_a_full_disk_is_one_line():
    disk = DiskDict(Item)
    disk._database.execute("PRAGMA max_page_count = 4")
    with pytest.raises(OutputError, match="temporary files cannot be written .*; set TMPDIR to a folder with room"):
        for n in range(1000):
            disk[str(n)] = Item("x" * 500)
