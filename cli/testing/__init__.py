"""The lifecycle suite for drivers, which uses the `jeroboam` command."""
