"""The Python API, one module a verb. The command line calls it, and a notebook can.

Nothing here imports TensorFlow before it is needed: `predict`, `watch`, `verify`, `simulate` and `import_images` never
need it.
"""
