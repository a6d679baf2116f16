"""Back ends: what turns a `Graph` into a program for one kind of machine.

Lives in the repository's ``targets/`` directory and imports as ``neurodeploy.targets``.
"""
