"""The sandbox as a process, for tests."""
