"""Where messages wait, and the ways that they go: a ring within a process, datagrams beyond it."""
