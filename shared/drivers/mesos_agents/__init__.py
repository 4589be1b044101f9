"""Mesos agents and the operator API of Mesos masters, for every engine that is built on them.

Rule: an engine adds how its services are installed, started and checked; what is here does not depend on it.
"""
