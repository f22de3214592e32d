"""Walks of the graph as SQL over link sets, the hot ones included."""
