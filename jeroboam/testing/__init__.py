"""The contract suite for drivers, as a pytest plug-in.

    pytest --pyargs jeroboam.testing.suite --jeroboam-driver my-engine-my-os

runs it on an installed driver (all of them without the option). Unlike `jeroboam.driver`, this package uses the rest
of Jeroboam: it renders what would be sent to Heat and to nodes.
"""
