"""The Python API, one module for each task. The command line calls the same functions.

TensorFlow is imported only by a function that needs it. `predict`, `watch`, `verify` and `import_images` work without
any training library. `simulate` needs one of them, SciPy, but not TensorFlow.
"""
