"""The tree of running things: who runs under whom, and how to steer or stop it."""
