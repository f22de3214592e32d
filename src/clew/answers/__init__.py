"""Answers that take more than one strand: everything that belongs to one trace, and by whom."""
