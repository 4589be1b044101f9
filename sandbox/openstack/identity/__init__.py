"""Simulated Keystone v3."""
