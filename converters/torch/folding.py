"""Finds out whether a module takes time and batch on one axis, as layers that squeeze do."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import nn

from neurodeploy.converters.torch.capture import untouched
from neurodeploy.converters.torch.example import Example
from neurodeploy.converters.torch.forms import CAPTURED_STEPS, Form
from neurodeploy.converters.torch.leaf import Leaf, set_sizes

__all__ = ["with_folding"]

_LOG = logging.getLogger("neurodeploy")


def with_folding(
    module: nn.Module, leaves: Mapping[str, Leaf], example: Example, form: Form
) -> Form:
    """Give the form with what the module's folded layers tell of it.

    The module is run on a sequence with axes of its own for time and batch. Where a folded layer
    then sees one row for each sample and step, the module folds the two axes itself; where it
    does not, or the layers before it fail, the module takes them folded.

    Args:
        module: The module.
        leaves: Its stateful layers.
        example: Samples.
        form: How the caller says that it meets time.
    """
    folded = [leaf for leaf in leaves.values() if leaf.folded]
    if form.kind != "sequence" or not folded:
        return form
    rows: list[int] = []

    def note(layer: nn.Module, args: tuple[torch.Tensor, ...]) -> None:
        rows.append(int(args[0].shape[0]))

    handles = [leaf.module.register_forward_pre_hook(note) for leaf in folded]
    try:
        with untouched(module):
            set_sizes(module, example.samples, CAPTURED_STEPS)
            module(*form.captured(example.inputs, repeated=False).values())
    except (IndexError, RuntimeError, TypeError, ValueError) as error:
        # a layer before, or behind, that cannot take such a shape: the rows tell
        _LOG.debug("the module does not take time and batch on two axes: %s", error)
    finally:
        for handle in handles:
            handle.remove()
    itself = bool(rows) and rows[0] == example.samples * CAPTURED_STEPS
    return replace(form, folded=not itself)
