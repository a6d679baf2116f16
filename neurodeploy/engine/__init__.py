"""The compiled engine: C generated from a graph, built, cached and called."""
