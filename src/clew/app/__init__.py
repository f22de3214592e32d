"""The composition root: configuration, wiring, lifespan and the `clew` entry point."""
