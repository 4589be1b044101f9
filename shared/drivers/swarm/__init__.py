"""The Docker Swarm engine: Docker Engine in swarm mode, where the image has it or apt can install it."""

from jeroboam.driver import Engine
from shared.drivers.swarm.swarm_engine import SwarmEngine

engine: Engine = SwarmEngine()
