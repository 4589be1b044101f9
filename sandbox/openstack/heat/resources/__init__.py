"""Resource types of the simulated Heat."""
