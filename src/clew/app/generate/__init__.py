"""The writers of generated files: ``python -m clew.app.generate``."""
