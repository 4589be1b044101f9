"""One contract with two transports: see `contract`. `make_bus` selects one by the settings."""
