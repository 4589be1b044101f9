"""Kubernetes: an engine that kubeadm installs on operating systems with apt."""

from jeroboam.driver import Engine
from shared.drivers.kubernetes.kubernetes_engine import KubernetesEngine

engine: Engine = KubernetesEngine()
