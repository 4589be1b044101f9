package main

import (
	"strings"

	"github.com/gophercloud/gophercloud/openstack"
	"github.com/gophercloud/gophercloud/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/openstack/containerinfra/v1/clusters"
	"github.com/gophercloud/gophercloud/openstack/containerinfra/v1/nodegroups"
)

// What the Magnum provider of Kubernetes' cluster-autoscaler asks of Magnum, with its microversion "latest": which
// groups may scale, how large they are, more nodes, and certain nodes away.
func walkAutoscaler(c cloud) {
	template := c.template("autoscaler", nil)
	cluster := c.cluster("autoscaler", template, 1)
	expect("groups that may scale", len(c.scalable(cluster)), 0)
	_, err := nodegroups.Create(c.magnum("latest"), cluster, nodegroups.CreateOpts{
		Name: "pool", Role: "autoscaling", NodeCount: number(2), MinNodeCount: 1, MaxNodeCount: number(6),
	}).Extract()
	must("create a nodegroup", err)
	c.settled("nodegroup", cluster)

	groups := c.scalable(cluster)
	expect("groups that may scale", len(groups), 1)
	pool := groups[0]
	expect("its bounds", []int{pool.NodeCount, pool.MinNodeCount, *pool.MaxNodeCount}, []int{2, 1, 6})
	expect("its stack is missing", pool.StackID == "", false)
	c.scale(cluster, pool.UUID, 5)
	c.settled("scale up", cluster)
	machines := c.machines(pool.UUID)
	expect("its servers", len(machines), 5)

	// The id that a machine knows of itself may be in capitals. The next removals do not wait for the first.
	c.scale(cluster, pool.UUID, 4, strings.ToUpper(machines["0"]))
	c.scale(cluster, pool.UUID, 3, machines["3"])
	c.scale(cluster, pool.UUID, 2, "2")
	c.settled("scale down", cluster)
	delete(machines, "0")
	delete(machines, "3")
	delete(machines, "2")
	expect("the servers that stay", c.machines(pool.UUID), machines)
	found, err := nodegroups.Get(c.magnum("latest"), cluster, pool.UUID).Extract()
	must("get the nodegroup", err)
	expect("its size", found.NodeCount, 2)
	c.deleteCluster(cluster)
	c.deleteTemplate(template)
}

// scalable are the groups that auto-discovery takes: not masters, with a maximum.
func (c cloud) scalable(cluster string) (found []*nodegroups.NodeGroup) {
	for _, listed := range c.groups(cluster, nodegroups.ListOpts{}) {
		if listed.Role == "master" {
			continue
		}
		group, err := nodegroups.Get(c.magnum("latest"), cluster, listed.UUID).Extract()
		must("get a nodegroup", err)
		if group.MaxNodeCount != nil {
			found = append(found, group)
		}
	}
	return found
}

func (c cloud) scale(cluster, group string, count int, remove ...string) {
	options := clusters.ResizeOpts{NodeCount: &count, NodesToRemove: remove, NodeGroup: group}
	_, err := clusters.Resize(c.magnum("latest"), cluster, options).Extract()
	must("resize", err)
}

// machines are a nodegroup's servers by the index in their name.
func (c cloud) machines(group string) map[string]string {
	compute, err := openstack.NewComputeV2(c.provider, c.region)
	must("find compute in the catalogue", err)
	pages, err := servers.List(compute, servers.ListOpts{}).AllPages()
	must("list servers", err)
	all, err := servers.ExtractServers(pages)
	must("read servers", err)
	found := map[string]string{}
	for _, server := range all {
		if server.Metadata["jeroboam_nodegroup"] == group {
			found[server.Name[strings.LastIndex(server.Name, "-")+1:]] = server.ID
		}
	}
	return found
}
