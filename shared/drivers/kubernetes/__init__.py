"""Kubernetes on virtual machines: see `driver`."""

from shared.drivers.driver import Driver
from shared.drivers.kubernetes.driver import KubernetesUbuntuDriver

driver: Driver = KubernetesUbuntuDriver()
