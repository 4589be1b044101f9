"""Simulated Nova v2.1."""
