# Configuration of Keystone, Placement, Glance, Neutron and Heat; Nova's is in config-compute.sh. Written again at every
# start into $ETC, so that the packages' files under /etc stay as they are.
authtoken() { cat <<X
[keystone_authtoken]
www_authenticate_uri = $AUTH
memcached_servers = 127.0.0.1:$MEMCACHED_PORT
interface = internal
$(as_service "$1")
X
}

# How a service logs in.
as_service() { cat <<X
auth_url = $AUTH
auth_type = password
username = $1
password = $PASSWORD
project_name = service
user_domain_name = Default
project_domain_name = Default
region_name = $REGION
X
}

database() { cat <<X
connection = $DB/$1
max_pool_size = 20
max_overflow = 80
X
}

memcache() { cat <<X
[cache]
enabled = true
backend = dogpile.cache.memcached
memcache_servers = 127.0.0.1:$MEMCACHED_PORT
X
}

write_configuration() {
  mkdir -p "$ETC/placement" "$ETC/nova" "$LAB"/{locks,neutron,nova/instances} \
    "$LAB"/glance/{images,staging,tasks}
  write_identity_and_images
  write_network
  write_orchestration
  write_compute
}

write_identity_and_images() {
  cat >"$ETC/keystone.conf" <<X
[DEFAULT]
public_endpoint = http://127.0.0.1:5000
max_token_size = 255
[database]
$(database keystone)
$(memcache)
[token]
provider = fernet
expiration = 86400
[fernet_tokens]
key_repository = $LAB/keystone/fernet-keys
[credential]
key_repository = $LAB/keystone/credential-keys
[identity]
password_hash_rounds = 4
X
  cat >"$ETC/placement/placement.conf" <<X
[placement_database]
$(database placement)
[api]
auth_strategy = keystone
$(authtoken placement)
X
  cat >"$ETC/glance-api.conf" <<X
[DEFAULT]
bind_host = 127.0.0.1
bind_port = 9292
workers = 1
enabled_backends = fs:file
enabled_import_methods = [glance-direct]
node_staging_uri = file://$LAB/glance/staging
public_endpoint = http://127.0.0.1:9292
[database]
$(database glance)
[glance_store]
default_backend = fs
[fs]
filesystem_store_datadir = $LAB/glance/images
[os_glance_staging_store]
filesystem_store_datadir = $LAB/glance/staging
[os_glance_tasks_store]
filesystem_store_datadir = $LAB/glance/tasks
[paste_deploy]
flavor = keystone
config_file = /etc/glance/glance-api-paste.ini
$(authtoken glance)
X
}

write_network() {
  cat >"$ETC/neutron.conf" <<X
[DEFAULT]
bind_host = 127.0.0.1
bind_port = 9696
host = lab
core_plugin = ml2
service_plugins = router
api_paste_config = /etc/neutron/api-paste.ini
transport_url = $TRANSPORT
state_path = $LAB/neutron
api_workers = 2
rpc_workers = 1
rpc_state_report_workers = 0
dhcp_agent_notification = false
notify_nova_on_port_status_changes = false
notify_nova_on_port_data_changes = false
router_scheduler_driver = neutron.scheduler.l3_agent_scheduler.ChanceScheduler
[database]
$(database neutron)
[nova]
$(as_service nova)
[placement]
$(as_service placement)
[quotas]
quota_network = 2000
quota_subnet = 2000
quota_port = 10000
quota_router = 1000
quota_floatingip = 2000
quota_security_group = 2000
quota_security_group_rule = 20000
[oslo_concurrency]
lock_path = $LAB/locks
[oslo_messaging_notifications]
driver = messagingv2
$(authtoken neutron)
X
  cat >"$ETC/ml2_conf.ini" <<X
[ml2]
type_drivers = local,flat,vlan,vxlan
tenant_network_types = vxlan
mechanism_drivers = jeroboam_lab
extension_drivers = port_security
[ml2_type_flat]
flat_networks = *
[ml2_type_vxlan]
vni_ranges = 1:1000000
[securitygroup]
enable_security_group = true
X
  # Neutron finds a mechanism driver by the entry point of an installed distribution: this is one.
  local info=$ETC/plugins/jeroboam_lab-1.0.dist-info
  mkdir -p "$info"
  printf 'Metadata-Version: 2.1\nName: jeroboam-lab\nVersion: 1.0\n' >"$info/METADATA"
  printf '[neutron.ml2.mechanism_drivers]\njeroboam_lab = jeroboam_ml2:AlwaysBind\n' >"$info/entry_points.txt"
}

write_orchestration() {
  # One retry of a failed resource instead of five: the five take a minute and a half, and fail alike.
  cat >"$ETC/heat.conf" <<X
[DEFAULT]
host = lab
transport_url = $TRANSPORT
region_name_for_services = $REGION
num_engine_workers = 2
action_retry_limit = 1
stack_user_domain_name = heat
stack_domain_admin = heat_domain_admin
stack_domain_admin_password = $PASSWORD
deferred_auth_method = trusts
reauthentication_auth_method = trusts
auth_encryption_key = 0123456789abcdef0123456789abcdef
max_stacks_per_tenant = 10000
max_resources_per_stack = -1
max_json_body_size = 16777216
max_template_size = 4194304
rpc_response_timeout = 600
[database]
$(database heat)
[oslo_messaging_notifications]
driver = messagingv2
topics = notifications
[paste_deploy]
api_paste_config = /etc/heat/api-paste.ini
[trustee]
# No project here: heat scopes these credentials to the trust.
auth_type = password
auth_url = $AUTH
username = heat
password = $PASSWORD
user_domain_name = Default
[clients]
endpoint_type = publicURL
[clients_keystone]
auth_uri = http://127.0.0.1:5000
[heat_api]
bind_host = 127.0.0.1
bind_port = 8004
$(memcache)
[oslo_messaging_rabbit]
heartbeat_timeout_threshold = 0
$(authtoken heat)
X
}
