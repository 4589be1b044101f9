"""Taking over what a Magnum database holds: `jeroboam import-magnum`.

Source rows in (`source`), a judgement of each (`judge`), rows of ours out (`rows`), keys opened and sealed again
(`certificates`), everything written once (`write`) and told (`report`).
"""
