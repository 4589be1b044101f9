"""One contract, two transports: see `base`. `make_bus` picks by the settings."""
