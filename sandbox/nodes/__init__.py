"""Simulated nodes: coroutines that speak the real agent protocol."""
