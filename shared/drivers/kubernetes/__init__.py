"""The Kubernetes engine: installs clusters with kubeadm on operating systems with apt."""

from jeroboam.driver import Engine
from shared.drivers.kubernetes.kubernetes_engine import KubernetesEngine

engine: Engine = KubernetesEngine()
