"""Simulated Heat v1."""
