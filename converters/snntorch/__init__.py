"""snnTorch's neurons, read directly; imports as ``neurodeploy.converters.snntorch``."""
