"""The contract of drivers: three protocols (engine, operating system, hardware) and the values that they exchange.

Rule: this package imports nothing else of Jeroboam. Everything a driver needs is here or passed to it.
"""

from jeroboam.driver.answers import (
    Access,
    Bootstrap,
    BootstrapContext,
    Capability,
    ClientConfig,
    DefaultNodegroup,
    Drain,
    Fact,
    FieldProblem,
    Impossible,
    NodeAction,
    NodeCertificate,
    NotYet,
    Removal,
    Sizes,
)
from jeroboam.driver.certificates import make_client_certificate
from jeroboam.driver.engine import Engine
from jeroboam.driver.engine_defaults import EngineDefaults
from jeroboam.driver.hardware import Hardware, HardwareDefaults
from jeroboam.driver.health import ClusterHealth, HealthStatus, NodeHealth, overall
from jeroboam.driver.infrastructure import EVERYWHERE, INSIDE, DataVolume, Infrastructure, Rule
from jeroboam.driver.label_specs import LabelSpec, described
from jeroboam.driver.labels import InfrastructureLabels, node_network
from jeroboam.driver.operating_system import IMAGE_BASED, File, MachineSetup, OperatingSystem, Unit
from jeroboam.driver.values import (
    BOOTSTRAP,
    FAILED,
    JOINED,
    MASTER,
    REMOVING,
    WORKER,
    ClusterSpec,
    EndpointMode,
    KeyAlgorithm,
    NodegroupSpec,
    NodeSpec,
    Secret,
    SecretKind,
    helping_master,
    joined_masters,
    masters,
)
from jeroboam.driver.virtual_ip import keepalived_config, shared_address_problems

__all__ = [
    "BOOTSTRAP",
    "EVERYWHERE",
    "FAILED",
    "IMAGE_BASED",
    "INSIDE",
    "JOINED",
    "MASTER",
    "REMOVING",
    "WORKER",
    "Access",
    "Bootstrap",
    "BootstrapContext",
    "Capability",
    "ClientConfig",
    "ClusterHealth",
    "ClusterSpec",
    "DataVolume",
    "DefaultNodegroup",
    "Drain",
    "EndpointMode",
    "Engine",
    "EngineDefaults",
    "Fact",
    "FieldProblem",
    "File",
    "Hardware",
    "HardwareDefaults",
    "HealthStatus",
    "Impossible",
    "Infrastructure",
    "InfrastructureLabels",
    "KeyAlgorithm",
    "LabelSpec",
    "MachineSetup",
    "NodeAction",
    "NodeCertificate",
    "NodeHealth",
    "NodeSpec",
    "NodegroupSpec",
    "NotYet",
    "OperatingSystem",
    "Removal",
    "Rule",
    "Secret",
    "SecretKind",
    "Sizes",
    "Unit",
    "described",
    "helping_master",
    "joined_masters",
    "keepalived_config",
    "make_client_certificate",
    "masters",
    "node_network",
    "overall",
    "shared_address_problems",
]
