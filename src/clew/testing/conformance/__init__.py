"""The conformance runner: plays scenarios of the agent plane's contract against any server.

``python -m clew.testing.conformance ws://127.0.0.1:8443`` runs those of
`contracts/trails/scenarios/`, whose README tells the format.
"""
