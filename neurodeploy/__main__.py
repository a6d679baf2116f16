"""Lets ``python -m neurodeploy`` stand for the command."""

from neurodeploy.cli import main

main()
