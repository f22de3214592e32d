"""Doors for other servers of clew, under ``/internal``: bare ASGI, with API keys as everywhere."""
