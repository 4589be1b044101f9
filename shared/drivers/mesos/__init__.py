"""The Mesos engine: Apache Mesos with ZooKeeper and Marathon, from images that have them."""

from jeroboam.driver import Engine
from shared.drivers.mesos.mesos_engine import MesosEngine

engine: Engine = MesosEngine()
