"""SpikingJelly's neurons, read directly; imports as ``neurodeploy.converters.spikingjelly``."""
