"""The questions about objects: states, timelines, graphs, processes, lists, exports."""
