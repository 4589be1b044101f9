"""Imports a Magnum database: `jeroboam import-magnum`.

The rows are read (`source`), checked (`judge`) and converted (`rows`); keys are decrypted and encrypted again
(`certificates`); everything is written (`clusters`, `merge`, `run`) and reported (`report`).
"""
