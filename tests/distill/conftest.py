import pytest
import tensorflow as tf


@pytest.fixture(scope="session")
def two_devices():
    """The two logical CPUs of tests/conftest.py."""
    return [device.name for device in tf.config.list_logical_devices("CPU")[:2]]
