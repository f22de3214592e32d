"""From messages to rows: what doors hand over, as a record of the log, and as rows from then on.

`app` puts this between the doors for link sets and the pipeline.
"""
