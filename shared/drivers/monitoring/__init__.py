"""Metrics of nodes and containers with Prometheus and Grafana, for engines that run containers.

Rule: this package decides what is measured and shown; an engine decides how it runs. Nothing here does I/O.
"""
