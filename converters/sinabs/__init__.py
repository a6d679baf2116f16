"""sinabs: its stateful layers as cells, for modules that are read with them."""
