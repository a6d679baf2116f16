"""Loihi: its neurons in the expression language, and what its synapses make of weights.

The arithmetic is that of the fixed-point models of lava-nc 0.10.0, the last version of an archived
project; tests compare every state of every step with it. Nothing here needs Lava.
"""
