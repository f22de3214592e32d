"""Answers over many records: each question is one module, exact over the window it states."""
