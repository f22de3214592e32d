"""A process's part in the tree: what a program of Python says and hears. Light install.

`TrailsClient` is for programs without an event loop, `AsyncTrailsClient` for those with one; both
keep their socket in a thread of their own. Import them from `clew`.
"""
