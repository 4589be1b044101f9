"""The `netns` hypervisor: each server of the simulated Nova is a network namespace with a root file system of its own.

Needs root on Linux. Nothing outside the sandbox imports it.
"""
