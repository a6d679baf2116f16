"""norse: its neurons as cells, for modules that are read with them."""
