"""The settings of a node's services, as files of environment variables that systemd reads.

Rule: every setting is a documented option of its program (tests/unit/drivers/test_mesos_settings.py has the list). The
files contain secrets, so only root can read them.
"""

from __future__ import annotations

from jeroboam.driver import BootstrapContext, NodeSpec, masters
from shared.drivers.mesos import credentials
from shared.drivers.mesos.labels import AGENT_PORT, MASTER_PORT, ZOOKEEPER_PORT, Labels, marathon_port
from shared.drivers.mesos_agents.files import OWN, environment, file

MASTER_WORK_DIRECTORY = "/var/lib/mesos/master"


def quorum(context: BootstrapContext) -> int:
    """The majority of the masters. It must never be less, or their logs diverge."""
    return len(masters(context.nodes)) // 2 + 1


def ensemble(context: BootstrapContext, *, path: str, authenticated: bool) -> str:
    """ZooKeeper's URL. What is written with the password can be read by all, and changed only with it."""
    hosts = ",".join(f"{node.ip_address}:{ZOOKEEPER_PORT}" for node in masters(context.nodes))
    user = f"{credentials.ZOOKEEPER}:{credentials.secret_of(credentials.ZOOKEEPER, context.secrets)}@"
    return f"zk://{user if authenticated else ''}{hosts}{path}"


def server_number(node: NodeSpec) -> int:
    """The number of a ZooKeeper server, from 1 to 255: the master's index, so that it never changes."""
    return node.index + 1


def zookeeper_config(context: BootstrapContext) -> str:
    """zoo.cfg. The admin server is off, because its port is Marathon's; `srvr` is what the health check asks."""
    servers = "".join(f"server.{server_number(node)}={node.ip_address}:2888:3888\n" for node in masters(context.nodes))
    return f"""\
tickTime=2000
initLimit=10
syncLimit=5
dataDir=/var/lib/zookeeper
clientPort={ZOOKEEPER_PORT}
standaloneEnabled=false
4lw.commands.whitelist=srvr
admin.enableServer=false
autopurge.snapRetainCount=3
autopurge.purgeInterval=24
{servers}"""


def of_master(context: BootstrapContext, labels: Labels) -> list[dict[str, str]]:
    """The files of a master: ZooKeeper, Mesos, Marathon."""
    secrets, address = context.secrets, context.node.ip_address
    known = [credentials.ADMIN, credentials.OPERATOR, credentials.MARATHON, credentials.AGENT]
    if labels.monitoring_enabled:
        known.append(credentials.MONITORING)
    master = {
        "MESOS_ZK": ensemble(context, path="/mesos", authenticated=True),
        "MESOS_QUORUM": quorum(context),
        "MESOS_REGISTRY": "replicated_log",
        "MESOS_WORK_DIR": MASTER_WORK_DIRECTORY,
        "MESOS_IP": address,
        "MESOS_ADVERTISE_IP": address,
        "MESOS_PORT": MASTER_PORT,
        # Where the other masters send clients to.
        "MESOS_HOSTNAME": context.node.floating_ip or address,
        "MESOS_CLUSTER": context.cluster.name,
        "MESOS_CREDENTIALS": f"{OWN}/credentials.json",
        "MESOS_ACLS": f"{OWN}/acls.json",
        "MESOS_AUTHENTICATE_AGENTS": "true",
        "MESOS_AUTHENTICATE_FRAMEWORKS": "true",
        "MESOS_AUTHENTICATE_HTTP_FRAMEWORKS": "true",
        "MESOS_HTTP_FRAMEWORK_AUTHENTICATORS": "basic",
        "MESOS_AUTHENTICATE_HTTP_READONLY": "true",
        "MESOS_AUTHENTICATE_HTTP_READWRITE": "true",
    }
    marathon = {
        "MARATHON_MASTER": ensemble(context, path="/mesos", authenticated=False),
        "MARATHON_ZK": ensemble(context, path="/marathon", authenticated=True),
        "MARATHON_HOSTNAME": address,
        "MARATHON_HTTP_PORT": marathon_port(context.cluster),
        "MARATHON_HTTP_CREDENTIALS": f"{credentials.ADMIN}:{credentials.secret_of(credentials.ADMIN, secrets)}",
        "MARATHON_MESOS_AUTHENTICATION_PRINCIPAL": credentials.MARATHON,
        "MARATHON_MESOS_AUTHENTICATION_SECRET_FILE": f"{OWN}/marathon-secret",
        # The address that masters call Marathon at.
        "LIBPROCESS_IP": address,
    }
    return [
        file(f"{OWN}/zoo.cfg", zookeeper_config(context)),
        file(f"{OWN}/myid", f"{server_number(context.node)}\n"),
        file(f"{OWN}/master.env", environment(master), "0600"),
        file(f"{OWN}/marathon.env", environment(marathon), "0600"),
        file(f"{OWN}/credentials.json", credentials.credentials(secrets, *known), "0600"),
        file(f"{OWN}/acls.json", credentials.acls(monitoring=labels.monitoring_enabled)),
        # Without a line feed, which would be part of the secret.
        file(f"{OWN}/marathon-secret", credentials.secret_of(credentials.MARATHON, secrets), "0600"),
        file(f"{OWN}/curl-master", credentials.curl_config(credentials.OPERATOR, secrets), "0600"),
        file(f"{OWN}/curl-marathon", credentials.curl_config(credentials.ADMIN, secrets), "0600"),
    ]


def of_agent(context: BootstrapContext, labels: Labels) -> list[dict[str, str]]:
    """The files of an agent."""
    secrets = context.secrets
    agent = {
        "MESOS_MASTER": ensemble(context, path="/mesos", authenticated=False),
        "MESOS_WORK_DIR": labels.mesos_slave_work_dir,
        "MESOS_IP": context.node.ip_address,
        "MESOS_HOSTNAME": context.node.ip_address,
        "MESOS_PORT": AGENT_PORT,
        "MESOS_CONTAINERIZERS": "docker,mesos",
        # Pulling an image counts as part of the registration.
        "MESOS_EXECUTOR_REGISTRATION_TIMEOUT": "5mins",
        "MESOS_RECONFIGURATION_POLICY": "additive",
        "MESOS_CREDENTIAL": f"{OWN}/credential.json",
        "MESOS_HTTP_CREDENTIALS": f"{OWN}/agent-credentials.json",
        "MESOS_AUTHENTICATE_HTTP_READONLY": "true",
        "MESOS_AUTHENTICATE_HTTP_READWRITE": "true",
    }
    if labels.mesos_slave_isolation:
        agent["MESOS_ISOLATION"] = labels.mesos_slave_isolation
    if labels.mesos_slave_image_providers:
        agent["MESOS_IMAGE_PROVIDERS"] = labels.mesos_slave_image_providers
    found = [
        file(f"{OWN}/credential.json", credentials.credential(credentials.AGENT, secrets), "0600"),
        file(f"{OWN}/agent-credentials.json", credentials.credentials(secrets, credentials.AGENT_API), "0600"),
        file(f"{OWN}/curl-agent", credentials.curl_config(credentials.AGENT_API, secrets), "0600"),
    ]
    if labels.mesos_slave_executor_env_variables:
        path = f"{OWN}/executor-environment.json"
        agent["MESOS_EXECUTOR_ENVIRONMENT_VARIABLES"] = f"file://{path}"
        found.append(file(path, labels.mesos_slave_executor_env_variables + "\n", "0600"))
    return [*found, file(f"{OWN}/agent.env", environment(agent), "0600")]
