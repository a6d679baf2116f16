"""Front ends: what reads a trained network and returns a `Graph`.

Lives in the repository's ``converters/`` directory and imports as ``neurodeploy.converters``.
"""
