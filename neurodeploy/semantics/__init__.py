"""What a node computes, written once: the expression language and its evaluators."""
