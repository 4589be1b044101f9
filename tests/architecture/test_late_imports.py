"""What takes long to import, and what a process does not need to start."""

from __future__ import annotations

import subprocess
import sys

import pytest

SERVICES = ("api", "provisioner", "scaler", "upgrader", "monitor", "notifier")
# 0.7 s of CPU time, and it is needed for the first call of the cloud; migrations are a command of their own.
LATE = ("openstack", "alembic")


@pytest.mark.timeout(120)
def test_services_import_slow_libraries_when_they_use_them() -> None:
    program = f"""
import importlib, sys
for name in {SERVICES!r}:
    importlib.import_module(f"services.{{name}}.__main__")
print(sorted(set({LATE!r}) & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100, check=True)
    assert done.stdout.strip() == "[]"
