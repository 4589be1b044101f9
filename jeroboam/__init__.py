"""The public packages: the contract of drivers (`jeroboam.driver`) and its test suite (`jeroboam.testing`).
Everything else in this distribution is private and can change without notice."""
