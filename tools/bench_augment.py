"""Measures what the default augmentation costs: cell images per second on one core, as tf.data runs it.

Processor time, not wall time: another job on the machine then matters less. The cost of the loop itself is taken off.
"""

import os
import time

import click

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]}, epilog="Example: python tools/bench_augment.py"
)
@click.option("--size", default=64, show_default=True, help="Height and width in pixels.")
@click.option("--cells", default=2000, show_default=True, help="Cells per run; the fastest of three runs counts.")
def main(size, cells):
    """Microseconds per cell for the default policy, and for each operation of it alone."""
    import tensorflow as tf

    from tfctc.augment import Policy
    from tfctc.cells import CHANNELS

    image = tf.random.stateless_uniform((size, size, 1), (0, 1))
    options = tf.data.Options()
    options.threading.private_threadpool_size = 1

    def microseconds(policy, channels=CHANNELS):
        def augment(index):
            return policy(dict.fromkeys(channels, image), tf.stack([0, tf.cast(index, tf.int32)]))

        dataset = tf.data.Dataset.range(cells).map(augment).with_options(options)
        runs = []
        for _ in range(3):
            start = time.process_time()
            for _ in dataset:
                pass
            runs.append(time.process_time() - start)
        return min(runs) / cells * 1e6

    empty = microseconds(Policy({}))
    default = Policy.from_config(None)
    pair, brightfield = microseconds(default) - empty, microseconds(default, CHANNELS[:1]) - empty
    click.echo(f"default policy at {size} px, one core, TensorFlow {tf.__version__}:")
    click.echo(f"  bright-field and DAPI  {pair:6.0f} us a cell  {1e6 / pair:6.0f} cells/s")
    click.echo(f"  bright-field alone     {brightfield:6.0f} us a cell  {1e6 / brightfield:6.0f} cells/s")
    click.echo("each operation alone, us a cell:")
    for name, operation in default.operations.items():
        click.echo(f"  {name:<16} {microseconds(Policy({name: operation})) - empty:6.0f}")


if __name__ == "__main__":
    main()
