"""Where the neurons of a network lie on Loihi: slices, cores, chips, and what each holds.

`limits` (a table with sources), `fans` (connections as synapses), `memory` (bits of a core's
synapse memory), `slicing` (populations to slices), `packing` (slices to cores), `mesh` (cores to
places), `mapping` (all of it), `picture`, `split` (the graph of the slices).
"""
