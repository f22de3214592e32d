"""What `clew exec` is: it starts one command, watches it, and speaks for it in the tree.

Light install. `supervisor` puts the parts together: `announcing` brings the app into the tree,
`process` owns the process group, `link` the connection, `mailbox` the socket for ``clew status``.
"""
