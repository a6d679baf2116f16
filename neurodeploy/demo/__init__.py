"""Data and the trained network of the demo."""
