"""The service processes: `python -m services.NAME`."""

from shared.runtime.memory import collect_rarely

collect_rarely()
