"""A simulated OpenStack over HTTP: Keystone, Heat, Nova, Neutron, Glance, Cinder and Octavia in one process."""
