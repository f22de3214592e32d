"""The logger: what a program says of its objects, as log records of OpenTelemetry. Light install.

`writer` counts and dates events, `encoding` turns fields into attributes, `record` makes one event,
`outlet` hands it over, `logger` is what programs use, `tracking` watches objects, `bridge` lets the
records of `logging` say which object they are about.
"""
