"""The tools, one module for each family of questions; `table` is the one list of them."""
