"""The torch side: graphs as trainable modules.

>>> import numpy as np, torch
>>> from neurodeploy.ir import GraphBuilder
>>> from neurodeploy.training import from_torch, to_torch
>>> b = GraphBuilder()
>>> y = b.dense("fc", b.input("x", (3,)), np.ones((2, 3)))
>>> graph = b.output("out", y).build()
>>> module = to_torch(graph)
>>> module(torch.ones(1, 3), timesteps=2).shape
torch.Size([1, 2, 2])
>>> from_torch(module, graph) == graph
True
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neurodeploy.semantics.surrogate import Surrogate, register_surrogate, surrogate
    from neurodeploy.training.fitting import distil, fit
    from neurodeploy.training.graph_module import GraphModule, from_torch, to_torch
    from neurodeploy.training.quantise_aware import quantization_aware

__all__ = [
    "GraphModule",
    "Surrogate",
    "distil",
    "fit",
    "from_torch",
    "quantization_aware",
    "register_surrogate",
    "surrogate",
    "to_torch",
]


# what stands in a file of its own
_WHERE = {"distil": "fitting", "fit": "fitting", "quantization_aware": "quantise_aware"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        message = f"module 'neurodeploy.training' has no attribute {name!r}"
        raise AttributeError(message)
    import importlib

    from neurodeploy.errors import MissingDependencyError

    try:
        where = _WHERE.get(name, "graph_module")
        module = importlib.import_module(f"neurodeploy.training.{where}")
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingDependencyError(
            "training needs torch, which is not installed", hint="pip install neurodeploy[torch]"
        ) from error
    return getattr(module, name)
