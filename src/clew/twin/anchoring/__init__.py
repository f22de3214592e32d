"""Anchors: which object the code that runs is about, and how that goes along. Light install.

`context` holds what an anchor is, `scope` opens and closes it around code, `calls` around functions
of every kind, `baggage` takes it over a wire.
"""
