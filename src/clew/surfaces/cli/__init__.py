"""The command line: a client of the REST door."""
