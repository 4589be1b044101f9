package main

import (
	"fmt"
	"strconv"

	"github.com/gophercloud/gophercloud/openstack/containerinfra/v1/clusters"
	"github.com/gophercloud/gophercloud/openstack/containerinfra/v1/nodegroups"
)

// What terraform-provider-openstack does for one cluster and one nodegroup, from plan to destroy: its requests in its
// order, with its microversions (none for clusters, 1.9 for nodegroups, 1.10 where there are no nodes, 1.8 to upgrade)
// and the states that it waits through.
func walkTerraform(c cloud) {
	template := c.template("terraform", nil)
	id, err := clusters.Create(c.magnum("1.10"), clusters.CreateOpts{
		Name: name("terraform"), ClusterTemplateID: template, MasterCount: number(1), NodeCount: number(0),
		FloatingIPEnabled: yes(), MergeLabels: yes(), Labels: map[string]string{"owner": "terraform"},
	}).Extract()
	must("create", err)
	settle("create", "CREATE_COMPLETE", []string{"CREATE_IN_PROGRESS"}, c.clusterStatus(id))
	c.administrator(id)
	_, err = nodegroups.Get(c.magnum("1.9"), id, "default-worker").Extract()
	must("read the workers", err)

	// Older providers change the count by a patch with a string, newer ones by a resize; and what follows at once must
	// not be taken for the end of what came before.
	_, err = clusters.Update(c.magnum(""), id, []clusters.UpdateOptsBuilder{
		clusters.UpdateOpts{Op: clusters.ReplaceOp, Path: "/node_count", Value: "1"},
	}).Extract()
	must("update", err)
	c.settled("update", id)
	for _, count := range []int{2, 1} {
		_, err = clusters.Resize(c.magnum("1.9"), id, clusters.ResizeOpts{NodeCount: number(count)}).Extract()
		must("resize", err)
		c.settled("resize", id)
		found, err := clusters.Get(c.magnum(""), id).Extract()
		must("get", err)
		expect("what is there after it", []int{found.NodeCount, len(found.NodeAddresses)}, []int{count, count})
	}
	same := c.template("same", nil)
	expect("what upgrade answers", c.upgrade(id, same), id)
	c.settled("upgrade", id)
	terraformNodegroup(c, id)

	c.deleteCluster(id)
	c.deleteTemplate(template)
	c.deleteTemplate(same)
}

func terraformNodegroup(c cloud, cluster string) {
	made, err := nodegroups.Create(c.magnum("1.10"), cluster, nodegroups.CreateOpts{
		Name: "pool", NodeCount: number(0), MaxNodeCount: number(4),
	}).Extract()
	must("create a nodegroup", err)
	status := c.groupStatus(cluster, made.UUID)
	settle("create a nodegroup", "CREATE_COMPLETE", []string{"CREATE_IN_PROGRESS"}, status)
	// One apply changes a bound and then the count, without a wait between them. Older providers send the bound as a
	// string.
	for count, maximum := range map[int]interface{}{2: strconv.Itoa(3), 1: 5} {
		changed, err := nodegroups.Update(c.magnum("1.9"), cluster, made.UUID, []nodegroups.UpdateOptsBuilder{
			nodegroups.UpdateOpts{Op: nodegroups.ReplaceOp, Path: "/max_node_count", Value: maximum},
		}).Extract()
		must("update the nodegroup", err)
		expect("its maximum", fmt.Sprint(*changed.MaxNodeCount), fmt.Sprint(maximum))
		options := clusters.ResizeOpts{NodeCount: number(count), NodeGroup: made.UUID}
		_, err = clusters.Resize(c.magnum("1.9"), cluster, options).Extract()
		must("resize the nodegroup", err)
		// In progress or done is all that may be seen from here on, and done means that the nodes are there.
		settle("resize the nodegroup", "UPDATE_COMPLETE", []string{"UPDATE_IN_PROGRESS"}, status)
		found, err := nodegroups.Get(c.magnum("1.9"), cluster, made.UUID).Extract()
		must("get the nodegroup", err)
		expect("its nodes", []int{found.NodeCount, len(found.NodeAddresses)}, []int{count, count})
	}
	must("delete the nodegroup", nodegroups.Delete(c.magnum("1.9"), cluster, made.UUID).ExtractErr())
	settle("delete the nodegroup", "DELETE_COMPLETE", []string{"DELETE_IN_PROGRESS"}, status)
}
