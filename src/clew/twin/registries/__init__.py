"""The registries that a server was given: every version is kept, the newest of each name counts."""
