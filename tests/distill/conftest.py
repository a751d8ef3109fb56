import pytest
import tensorflow as tf


@pytest.fixture(scope="session")
def two_devices():
    """Two logical CPUs, to be asked for before TensorFlow's first operation."""
    return [device.name for device in tf.config.list_logical_devices("CPU")[:2]]


def pytest_configure():
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
