"""The bill: exact counts, energy models with their sources, reports."""
