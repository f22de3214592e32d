"""What a registry says, as values: types and their fields, how a value becomes one of a field.

Nothing here needs the user's classes. The classes of `clew.twin.blueprint` are faces of these
values, and the server, the command line and a replay use them as they are, so that a value is
coerced in one way wherever it comes from.
"""
