package main

import (
	"github.com/gophercloud/gophercloud"
	"github.com/gophercloud/gophercloud/openstack/containerinfra/v1/clusters"
	"github.com/gophercloud/gophercloud/openstack/containerinfra/v1/nodegroups"
)

// groupStatus reads a nodegroup's status; one that is gone is DELETE_COMPLETE.
func (c cloud) groupStatus(cluster, group string) func() (string, error) {
	return func() (string, error) {
		found, err := nodegroups.Get(c.magnum("1.9"), cluster, group).Extract()
		if _, gone := err.(gophercloud.ErrDefault404); gone {
			return "DELETE_COMPLETE", nil
		}
		if err != nil {
			return "", err
		}
		return found.Status, nil
	}
}

func (c cloud) groups(cluster string, options nodegroups.ListOpts) []nodegroups.NodeGroup {
	pages, err := nodegroups.List(c.magnum("1.9"), cluster, options).AllPages()
	must("list nodegroups", err)
	found, err := nodegroups.ExtractNodeGroups(pages)
	must("read nodegroups", err)
	return found
}

func walkNodegroups(c cloud) {
	template := c.template("nodegroups", map[string]string{"mine": "yes"})
	cluster := c.cluster("nodegroups", template, 1)
	first := c.groups(cluster, nodegroups.ListOpts{Limit: 1, SortKey: "id", SortDir: "asc"})
	expect("the list, one a page", []string{first[0].Name, first[1].Name}, []string{"default-master", "default-worker"})
	expect("how many", len(first), 2)
	workers := c.groups(cluster, nodegroups.ListOpts{Role: "worker"})
	expect("workers", []interface{}{len(workers), workers[0].IsDefault, workers[0].NodeCount}, []interface{}{1, true, 1})

	walkOneNodegroup(c, cluster)
	_, err := nodegroups.Get(c.magnum(""), cluster, "default-worker").Extract()
	refused("nodegroups before 1.9", err, gophercloud.ErrUnexpectedResponseCode{})
	err = nodegroups.Delete(c.magnum("1.9"), cluster, "default-worker").ExtractErr()
	refused("delete of the default workers", err, gophercloud.ErrDefault400{})
	c.deleteCluster(cluster)
	c.deleteTemplate(template)
}

func walkOneNodegroup(c cloud, cluster string) {
	client := c.magnum("1.9")
	made, err := nodegroups.Create(client, cluster, nodegroups.CreateOpts{
		Name: "more", FlavorID: "m1.medium", ImageID: "ubuntu-24.04", Role: "batch", DockerVolumeSize: number(3),
		Labels: map[string]string{"theirs": "yes"}, NodeCount: number(2), MinNodeCount: 1, MaxNodeCount: number(5),
	}).Extract()
	must("create", err)
	settle("create", "CREATE_COMPLETE", []string{"CREATE_IN_PROGRESS"}, c.groupStatus(cluster, made.UUID))
	whole, err := nodegroups.Get(client, cluster, "more").Extract()
	must("get by name", err)
	expect("counts", []int{whole.NodeCount, whole.MinNodeCount, *whole.MaxNodeCount, *whole.DockerVolumeSize}, []int{2, 1, 5, 3})
	expect("words", []string{whole.UUID, whole.Role, whole.FlavorID}, []string{made.UUID, "batch", "m1.medium"})
	expect("labels", whole.Labels, map[string]string{"theirs": "yes"})
	expect("addresses, links", []int{len(whole.NodeAddresses), len(whole.Links)}, []int{2, 2})
	expect("of that cluster, with a stack", []bool{whole.ClusterID == cluster, whole.StackID == ""}, []bool{true, false})

	changed, err := nodegroups.Update(client, cluster, made.UUID, []nodegroups.UpdateOptsBuilder{
		nodegroups.UpdateOpts{Op: nodegroups.ReplaceOp, Path: "/max_node_count", Value: 7},
		nodegroups.UpdateOpts{Op: nodegroups.ReplaceOp, Path: "/min_node_count", Value: 2},
	}).Extract()
	must("update", err)
	expect("the bounds", []int{changed.MinNodeCount, *changed.MaxNodeCount}, []int{2, 7})
	settle("update", "UPDATE_COMPLETE", []string{"UPDATE_IN_PROGRESS"}, c.groupStatus(cluster, made.UUID))
	_, err = clusters.Resize(client, cluster, clusters.ResizeOpts{NodeCount: number(1), NodeGroup: "more"}).Extract()
	refused("resize below the minimum", err, gophercloud.ErrDefault400{})

	must("delete", nodegroups.Delete(client, cluster, made.UUID).ExtractErr())
	settle("delete", "DELETE_COMPLETE", []string{"DELETE_IN_PROGRESS"}, c.groupStatus(cluster, made.UUID))
	c.settled("the cluster after it", cluster)
}
