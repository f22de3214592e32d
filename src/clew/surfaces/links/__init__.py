"""The door for link sets: datagrams, over UDP or a Unix socket, best effort by contract."""
