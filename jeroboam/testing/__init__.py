"""The contract suite for drivers, as a pytest plug-in.

    pytest --pyargs jeroboam.testing.suite --jeroboam-driver my-engine-my-os

runs it for an installed driver (for all drivers without the option). Unlike `jeroboam.driver`, this package uses the
rest of Jeroboam, to render what would be sent to Heat and to nodes.
"""
