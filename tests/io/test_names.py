"""Names: one spelling, short lists, and what a CSV file can hold."""

import os
import unicodedata
from pathlib import Path

import pytest

from tfctc.errors import ImageError
from tfctc.io.names import SHOWN, abbreviated, check_encodable, counted, normalised, plural, spelling_key

#: One name, composed and decomposed.
COMPOSED, DECOMPOSED = "M\u00fcller-\u00c5", "Mu\u0308ller-A\u030a"


def test_composed_and_decomposed_letters_are_one_name():
    assert COMPOSED != DECOMPOSED
    assert normalised(COMPOSED) == normalised(DECOMPOSED) == unicodedata.normalize("NFC", DECOMPOSED) == COMPOSED


def test_all_spellings_of_a_patient_have_one_key():
    spellings = [COMPOSED, DECOMPOSED, COMPOSED.upper(), DECOMPOSED.lower()]
    assert len({spelling_key(name) for name in spellings}) == 1
    assert spelling_key("STRASSE") == spelling_key("straße")
    assert len({spelling_key(name) for name in ("p1", "p01", "p 1", "p2")}) == 4


@pytest.mark.parametrize("count", [0, 1, SHOWN, SHOWN + 1, SHOWN + 7])
def test_a_list_names_the_first_few_and_counts_the_others(count):
    text = abbreviated([f"c{i}" for i in range(count)])
    named, _, more = text.partition(" and ")
    assert [name for name in named.split(", ") if name] == [f"c{i}" for i in range(min(count, SHOWN))]
    assert more == (f"{count - SHOWN} more" if count > SHOWN else "")


def test_names_and_numbers_in_words():
    assert abbreviated(list("abcdefg")) == "a, b, c, d, e and 2 more" and abbreviated(["a"]) == "a"
    assert (counted(1, "cell"), counted(2000, "cell")) == ("1 cell", "2,000 cells")
    assert (plural("patient"), plural("block of cells")) == ("patients", "blocks of cells")


def test_a_name_that_utf8_cannot_hold_is_refused_with_its_path():
    path = Path("/cells") / os.fsdecode(b"b\xfc.png")
    with pytest.raises(ImageError) as caught:
        check_encodable(path.stem, path)
    assert str(caught.value) == "/cells/b\\xfc.png: file name is not UTF-8; rename it"
    for name in ("bü", "細胞", "a b,c"):
        check_encodable(name, Path("/cells/x.png"))
