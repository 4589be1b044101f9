# Configuration of Nova: the fake hypervisor on one host, so large that thousands of servers fit.
write_compute() {
  cp /etc/nova/api-paste.ini "$ETC/nova/api-paste.ini"
  cat >"$ETC/nova/nova.conf" <<X
[DEFAULT]
host = lab
my_ip = 127.0.0.1
state_path = $LAB/nova
instances_path = $LAB/nova/instances
lock_path = $LAB/locks
transport_url = $TRANSPORT
compute_driver = fake.FakeDriver
enabled_apis = osapi_compute
max_concurrent_builds = 0
vif_plugging_is_fatal = false
vif_plugging_timeout = 0
rpc_response_timeout = 300
sync_power_state_interval = -1
heal_instance_info_cache_interval = -1
cpu_allocation_ratio = 1000
ram_allocation_ratio = 1000
disk_allocation_ratio = 1000
reserved_host_memory_mb = 0
default_availability_zone = nova
[api]
auth_strategy = keystone
max_limit = 5000
[api_database]
$(database nova_api)
[database]
$(database nova)
[quota]
instances = 5000
cores = 20000
ram = -1
server_groups = 1000
server_group_members = 1000
$(memcache)
[conductor]
workers = 2
[scheduler]
workers = 1
discover_hosts_in_cells_interval = 10
[filter_scheduler]
track_instance_changes = false
[glance]
api_servers = http://127.0.0.1:9292
[neutron]
$(as_service nova)
service_metadata_proxy = false
[placement]
$(as_service nova)
[notifications]
notification_format = versioned
notify_on_state_change = vm_state
[oslo_messaging_notifications]
driver = messagingv2
[service_user]
send_service_user_token = false
[oslo_concurrency]
lock_path = $LAB/locks
[vnc]
enabled = false
[workarounds]
disable_rootwrap = true
[oslo_messaging_rabbit]
heartbeat_timeout_threshold = 0
$(authtoken nova)
X
}
