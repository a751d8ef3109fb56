"""What the tool says where there is nothing to check."""

import sys

import pytest


def test_no_finished_run_is_one_line(tool, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["check_quantized.py", str(tmp_path), str(tmp_path / "none")])
    with pytest.raises(SystemExit, match=f"^{tmp_path}, {tmp_path}/none: no finished run there$"):
        tool("check_quantized").main()
