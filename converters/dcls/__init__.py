"""DCLS: convolutions over time with learned delays, as synapses that each have their delay."""
