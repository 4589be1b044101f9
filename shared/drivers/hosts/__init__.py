"""What machines of all built-in engines have in common: whom they trust, where images and plug-ins come from."""
