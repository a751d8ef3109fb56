"""Errors for users."""

from tfctc.errors import TfctcError


def test_an_error_is_one_line_and_carries_its_data():
    error = TfctcError("is\nbroken", path="a.png", fix="mend it")
    assert str(error) == "a.png: is broken; mend it"
    assert (error.path, error.fix, error.exit_code) == ("a.png", "mend it", 2)
