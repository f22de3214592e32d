"""Doors and windows: each translates between the outside and the services, and owns nothing."""
