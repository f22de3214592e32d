"""The questions about objects, as SQL over the engine's rows of events, the hot ones included."""
