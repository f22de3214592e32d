"""The team strand: what people and agents found out, kept where all of them see it."""
