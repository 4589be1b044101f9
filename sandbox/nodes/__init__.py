"""Simulated nodes: coroutines that implement the agent protocol."""
