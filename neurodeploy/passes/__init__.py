"""Rewrites of graphs that no single target owns."""
