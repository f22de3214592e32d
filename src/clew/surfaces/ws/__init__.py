"""The agent plane: apps of the tree by their WebSockets, frames in and out."""
