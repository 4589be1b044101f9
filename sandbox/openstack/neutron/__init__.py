"""Simulated Neutron v2.0."""
