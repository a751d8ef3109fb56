"""Worker processes."""

import multiprocessing
import os
from threading import Thread


def exit_with_parent() -> None:
    """Ends this process as soon as its parent has ended, killed or not: nobody would read its results."""
    Thread(target=_exit_after_parent, daemon=True).start()


def _exit_after_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
