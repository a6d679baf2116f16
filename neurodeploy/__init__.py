"""neurodeploy: trained networks as spiking programs that are checked and billed."""

__version__ = "0.1.0"
