"""OTLP requests to table rows and back; `docs/internals/rows.md` is the contract.

`decode` opens the decoder that the pipeline runs (native where it is installed, else the
`reference` in pure Python), `encode` turns rows into OTLP again, `json_codec` stands between
OTLP/JSON and protobuf.
Nothing is imported here, so that importing one part costs that part only.
"""
