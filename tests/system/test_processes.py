"""Processes that work for another one."""

import subprocess
import sys

PARENT = """
import multiprocessing, time
from tfctc.system.processes import exit_with_parent

def work():
    exit_with_parent()
    print("working", flush=True)
    time.sleep(600)

if __name__ == "__main__":
    multiprocessing.get_context("spawn").Process(target=work).start()
    time.sleep(600)
"""


def test_processes_end_when_their_parent_is_killed(tmp_path):
    (tmp_path / "parent.py").write_text(PARENT)
    parent = subprocess.Popen([sys.executable, tmp_path / "parent.py"], stdout=subprocess.PIPE, text=True)
    assert parent.stdout.readline() == "working\n"
    parent.kill()
    # Both have the pipe: it ends when the last of them does. Nothing else ends this one.
    assert parent.communicate(timeout=60) == ("", None)
