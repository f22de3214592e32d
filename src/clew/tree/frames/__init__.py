"""What goes over an app's socket: frames, canonical JSON, signatures, `TRAILS_INFO`. Light install.

Frames are JSON objects in text messages of a WebSocket, told apart by `type`, in snake_case. Those
of TRAILS keep its names; ours stand beside them (`contracts/trails/README.md`).
Both sides ignore fields that they do not know, so that either may be the newer one.
"""
