package main

import (
	"log"
	"strings"

	"github.com/gophercloud/gophercloud/openstack/containerinfra/v1/clusters"
	"github.com/gophercloud/gophercloud/openstack/containerinfra/v1/nodegroups"
)

// walkFailures needs a cloud that finds no host for servers of clusters go-broken-* and of nodegroups doomed. What
// fails says so and why, in the client's types, and is no end: the next change works, and so does the delete.
func walkFailures(c cloud) {
	template := c.template("failures", nil)
	broken, err := clusters.Create(c.magnum(""), clusters.CreateOpts{
		Name: name("broken"), ClusterTemplateID: template, MasterCount: number(1), NodeCount: number(2),
	}).Extract()
	must("create", err)
	settle("create", "CREATE_FAILED", []string{"CREATE_IN_PROGRESS"}, c.clusterStatus(broken))
	found, err := clusters.Get(c.magnum("1.12"), broken).Extract()
	must("get what failed", err)
	explained("the cluster", found.StatusReason)
	for of, fault := range found.Faults {
		explained(of, fault)
	}
	expect("no faults at all", len(found.Faults) == 0, false)
	c.deleteCluster(broken)

	id := c.cluster("sound", template, 1)
	group, err := nodegroups.Create(c.magnum("1.9"), id, nodegroups.CreateOpts{Name: "doomed", NodeCount: number(1)}).Extract()
	must("create a nodegroup", err)
	settle("create a nodegroup", "CREATE_FAILED", []string{"CREATE_IN_PROGRESS"}, c.groupStatus(id, group.UUID))
	lost, err := nodegroups.Get(c.magnum("1.9"), id, "doomed").Extract()
	must("get the nodegroup", err)
	explained("the nodegroup", lost.StatusReason)
	settle("the cluster", "UPDATE_FAILED", []string{"UPDATE_IN_PROGRESS"}, c.clusterStatus(id))
	_, err = clusters.Resize(c.magnum("1.9"), id, clusters.ResizeOpts{NodeCount: number(2)}).Extract()
	must("resize", err)
	c.settled("resize", id)
	must("delete the nodegroup", nodegroups.Delete(c.magnum("1.9"), id, group.UUID).ExtractErr())
	settle("delete the nodegroup", "DELETE_COMPLETE", []string{"DELETE_IN_PROGRESS"}, c.groupStatus(id, group.UUID))
	c.settled("the cluster after it", id)
	c.deleteCluster(id)
	c.deleteTemplate(template)
}

func explained(what, reason string) {
	if !strings.Contains(reason, "No valid host") {
		log.Fatalf("%s does not say why it failed: %q", what, reason)
	}
}
