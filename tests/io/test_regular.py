"""Only regular files are opened, and a pipe is not waited for."""

import os

import pytest

from tfctc.io.regular import NotRegularError, open_regular


def test_the_bytes_of_a_file(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    for buffering in (-1, 0):
        with open_regular(tmp_path / "a", buffering) as file:
            assert file.read() == b"abc"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes have names on Unix only")
def test_a_pipe_is_refused_and_a_folder_is_the_error_of_the_system(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NotRegularError, match="not a regular file"):
        open_regular(tmp_path / "pipe")
    with pytest.raises(IsADirectoryError):
        open_regular(tmp_path)
