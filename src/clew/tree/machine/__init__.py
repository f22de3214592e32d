"""The tree as a pure state machine: events in, changes to keep and effects to carry out.

Nothing here waits, reads a clock, touches a socket or a database: `clew.tree.keeper` does, around
it. Time comes with each event; what must be kept and what must be done come back as values.
"""
