"""What packages outside Jeroboam import: the drivers' contract (`jeroboam.driver`) and its test suite
(`jeroboam.testing`). Everything else in this distribution is private and may change without notice."""
