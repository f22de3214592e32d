"""A test kit for those who build on clew."""
