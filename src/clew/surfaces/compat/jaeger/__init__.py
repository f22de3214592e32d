"""Jaeger's query APIs: ``/jaeger/api`` for its UI and Grafana, and ``jaeger.api_v3``.

What a client asks is translated into questions of the query service, and the answers into Jaeger's
documents; `docs/reference/jaeger.md` says what is answered.
"""
