"""The DC/OS engine, experimental: clusters that the installer of DC/OS builds from a configuration."""

from jeroboam.driver import Engine
from shared.drivers.dcos.dcos_engine import DcosEngine

engine: Engine = DcosEngine()
