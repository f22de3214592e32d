"""The strand of what objects were: blueprints, fingerprints, and state at any moment.

The names of the public interface come from here (`from clew.twin import Object, anchor`) and are
imported when they are first used. Light install, but for what the server needs.
"""

from __future__ import annotations
