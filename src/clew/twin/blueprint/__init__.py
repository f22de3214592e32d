"""Classes that describe a system: what users write, faces of the values of `clew.twin.schema`."""
