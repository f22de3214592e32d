"""What goes over a wire, byte for byte: SBE, little endian, without padding; pure functions.

`contracts/tracelink/tracelink.xml` is the schema. Two of its messages are read and written: link
sets (schema 904) and the descriptors of items (schema 900), which carry their trace ids.
"""
