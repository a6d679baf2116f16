"""snnTorch's layers that hold more than a cell, or are called with a sequence: the cell in them.

| class | cell | what is beside it |
| -- | -- | -- |
| SLSTM, SConv2dLSTM | ``spiking_lstm`` | the maps of input and membrane to the four gates |
| LeakyParallel | ``rectified_lif`` | the map of the input, ``rnn.weight_ih_l0`` and its bias |
| StateLeaky, LinearLeaky | ``lif`` or ``li`` | a sequence as input; the map ``linear`` |
| DeltaLeaky | ``delta_lif`` | ``mem`` and ``mem_prev`` as one argument |

StateLeaky convolves its input with ``exp(-k / tau)``; as a recurrence with ``exp(-1 / tau)`` it
is the same sum in another order, equal up to its rounding.

Source: snnTorch 1.0.0, ``_neurons``.
"""

from __future__ import annotations

from typing import Any

import torch

from neurodeploy.converters.snntorch.attributes import Attributes
from neurodeploy.converters.torch.cell_spec import CellSpec

__all__ = ["delta_leaky", "leaky_parallel", "spiking_lstm", "state_leaky"]

Options = dict[str, str | int | bool]


def spiking_lstm(module: Any) -> CellSpec:
    """SLSTM, SConv2dLSTM: the gates i, f, g, o; ``syn`` is ``c``, ``mem`` the membrane.

    The maps read the state ``v`` of the last step. A reset, if any, is delayed.
    """
    found = Attributes(module)
    found.unquantised()
    if getattr(module, "max_pool", 0) or getattr(module, "avg_pool", 0):
        found.refuse(
            "it pools its membrane before it fires", "pool its spikes in a layer of its own"
        )
    if getattr(module, "input_size", 0) != getattr(module, "hidden_size", 0):
        found.refuse(
            f"input_size {module.input_size} is not hidden_size {module.hidden_size}, where "
            "snnTorch sets its states to zero before each step",
            "use one size, with a linear layer before it",
        )
    options, params = found.firing(zero="after", delayed=True)
    found.check()
    return CellSpec("spiking_lstm", params, options, {"syn": "c", "mem": "v"})


def leaky_parallel(module: Any) -> CellSpec:
    """LeakyParallel: ``max(weight_hh * mem + bias_hh + x, 0)``, with the input mapped before.

    Its membrane is not kept between calls, and never reset.
    """
    found = Attributes(module)
    weight = module.rnn.weight_hh_l0.detach()
    if bool((weight - torch.diag(weight.diagonal())).any()):
        found.refuse(
            "its recurrent matrix is not diagonal (weight_hh_enable=True)",
            "train with weight_hh_enable=False",
        )
    options: Options = {"reset": "none", "strict": True}
    params = {"beta": weight.diagonal().clone(), "threshold": found.tensor("threshold")}
    if module.rnn.bias:
        params["bias"] = module.rnn.bias_hh_l0.detach()
    found.graded(options, params)
    found.check()
    return CellSpec("rectified_lif", params, options, {})


def state_leaky(module: Any) -> CellSpec:
    """StateLeaky, LinearLeaky: a leaky integrator without reset, over a whole sequence.

    The factor of graded spikes is multiplied in twice.
    """
    found = Attributes(module)
    found.unquantised()
    if module.kernel_truncation_steps is not None:
        found.refuse("kernel_truncation_steps cuts its kernel off", "leave it out")
    tau = found.tensor("tau")
    params, options = {"beta": torch.exp(-1 / tau)}, Options()
    if module.output:
        options |= {"reset": "none", "strict": True}
        params["threshold"] = found.tensor("threshold")
        found.graded(options, params, times=2)
    found.check()
    origin = (("tau", str(tau.tolist())),)
    cell = "lif" if module.output else "li"
    return CellSpec(cell, params, options, {"mem": "v"}, {}, origin)


def delta_leaky(module: Any) -> CellSpec:
    """DeltaLeaky: ``mem = beta * mem + x`` fires at ``|mem - mem_prev| > delta_threshold``.

    ``beta`` is not held to 0 and 1. Reset, threshold, payload and state_quant have no effect.
    """
    found = Attributes(module)
    params = {
        "beta": found.tensor("beta"),
        "threshold": found.tensor("delta_threshold"),
    }
    found.check()
    return CellSpec("delta_lif", params, {"strict": True}, {"mem": "v"})
