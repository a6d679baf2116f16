"""From an analog network with ReLUs to a spiking one."""

from neurodeploy.converters.ann_to_snn.convert import DEFAULT_TIMESTEPS, ann_to_snn
from neurodeploy.converters.ann_to_snn.report import ConversionReport, LayerReport, layer_report
from neurodeploy.converters.ann_to_snn.runner import MakeRunner
from neurodeploy.converters.ann_to_snn.spiking import spiking_graph
from neurodeploy.converters.ann_to_snn.thresholds import METHODS, Threshold

__all__ = [
    "DEFAULT_TIMESTEPS",
    "METHODS",
    "ConversionReport",
    "LayerReport",
    "MakeRunner",
    "Threshold",
    "ann_to_snn",
    "layer_report",
    "spiking_graph",
]
