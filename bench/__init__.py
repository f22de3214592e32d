"""The benchmark suite: ``python -m bench [NAME…] [--spans 1m|10m] [--quick]``.

Every module measures one thing and returns figures (`bench.figures`). Processes that are measured
run as children, load comes from another child, and every loop is bounded in count and in time.
"""
