"""Drivers of example clusters for Jeroboam. They import `jeroboam.driver` and nothing else of Jeroboam."""
