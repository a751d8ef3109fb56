"""The package's log, kept for a test."""

import contextlib
import logging


@contextlib.contextmanager
def kept_log():
    """Yields a list that every message of the package's log is added to while the block runs."""
    messages, logger = [], logging.getLogger("tfctc")
    handler, level = logging.Handler(), logger.level
    handler.emit = lambda record: messages.append(record.getMessage())
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield messages
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
