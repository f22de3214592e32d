"""clew: see, know, trace, act on and share what a tree of running things does."""
