package main

import (
	"log"
	"time"

	"github.com/gophercloud/gophercloud"
	"github.com/gophercloud/gophercloud/openstack/containerinfra/v1/clusters"
	"github.com/gophercloud/gophercloud/openstack/containerinfra/v1/clustertemplates"
	"github.com/gophercloud/gophercloud/pagination"
)

const patience = 5 * time.Minute

var failed = map[string]bool{"CREATE_FAILED": true, "UPDATE_FAILED": true, "DELETE_FAILED": true}

// settle waits as terraform's provider does, but looks at once: a status that is neither the target nor a pending one
// is an error. With no pending ones named, every status may come first.
func settle(what, target string, pending []string, status func() (string, error)) {
	allowed := map[string]bool{}
	for _, each := range pending {
		allowed[each] = true
	}
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		now, err := status()
		must(what, err)
		if now == target {
			return
		}
		if failed[now] || (len(pending) > 0 && !allowed[now]) {
			log.Fatalf("%s: the status is %s, before it is %s", what, now, target)
		}
	}
	log.Fatalf("%s: not %s within %s", what, target, patience)
}

// clusterStatus reads a cluster's status; one that is gone is DELETE_COMPLETE.
func (c cloud) clusterStatus(id string) func() (string, error) {
	return func() (string, error) {
		cluster, err := clusters.Get(c.magnum(""), id).Extract()
		if _, gone := err.(gophercloud.ErrDefault404); gone {
			return "DELETE_COMPLETE", nil
		}
		if err != nil {
			return "", err
		}
		return cluster.Status, nil
	}
}

// cluster makes one and waits for it.
func (c cloud) cluster(of, template string, nodes int) string {
	id, err := clusters.Create(c.magnum(""), clusters.CreateOpts{
		Name: name(of), ClusterTemplateID: template, MasterCount: number(1), NodeCount: number(nodes),
	}).Extract()
	must("create a cluster", err)
	settle("create", "CREATE_COMPLETE", []string{"CREATE_IN_PROGRESS"}, c.clusterStatus(id))
	return id
}

func (c cloud) deleteCluster(id string) {
	must("delete the cluster", clusters.Delete(c.magnum(""), id).ExtractErr())
	settle("delete", "DELETE_COMPLETE", []string{"DELETE_IN_PROGRESS"}, c.clusterStatus(id))
}

func (c cloud) settled(what, id string) {
	settle(what, "UPDATE_COMPLETE", []string{"UPDATE_IN_PROGRESS"}, c.clusterStatus(id))
}

func walkClusters(c cloud) {
	template := c.template("clusters", map[string]string{"kube_tag": "v1.34.1", "mine": "yes"})
	client := c.magnum("")
	id, err := clusters.Create(client, clusters.CreateOpts{
		Name:              name("cluster"),
		ClusterTemplateID: template,
		CreateTimeout:     number(30),
		DockerVolumeSize:  number(4),
		FlavorID:          "m1.medium",
		MasterFlavorID:    "m1.small",
		MasterCount:       number(1),
		NodeCount:         number(2),
		FloatingIPEnabled: yes(),
	}).Extract()
	must("create", err)
	born, err := clusters.Get(client, id).Extract()
	must("get at once", err)
	expect("the status at once", born.Status, "CREATE_IN_PROGRESS")
	expect("the counts", []int{born.MasterCount, born.NodeCount, born.CreateTimeout, born.DockerVolumeSize}, []int{1, 2, 30, 4})
	expect("the labels", born.Labels, map[string]string{"kube_tag": "v1.34.1", "mine": "yes"})

	_, err = clusters.Create(client, clusters.CreateOpts{Name: "x", ClusterTemplateID: "nothing"}).Extract()
	refused("create from nothing", err, gophercloud.ErrDefault400{})
	_, err = clusters.Get(client, "nothing").Extract()
	refused("get nothing", err, gophercloud.ErrDefault404{})
	refused("delete a template in use", clustertemplates.Delete(client, template).ExtractErr(), gophercloud.ErrDefault400{})

	settle("create", "CREATE_COMPLETE", []string{"CREATE_IN_PROGRESS"}, c.clusterStatus(id))
	walkCompleteCluster(c, id)
	walkClusterPages(c, id, template)
	walkClusterChanges(c, id)
	newer := c.template("newer", map[string]string{"kube_tag": "v1.35.0", "mine": "yes"})
	walkUpgrade(c, id, newer)
	c.deleteCluster(id)
	c.deleteTemplate(template)
	c.deleteTemplate(newer)
}

func walkCompleteCluster(c cloud, id string) {
	// From 1.13 on Magnum calls the stack cluster_id, which these types do not have.
	whole, err := clusters.Get(c.magnum("1.12"), id).Extract()
	must("get", err)
	expect("addresses of masters and nodes", []int{len(whole.MasterAddresses), len(whole.NodeAddresses)}, []int{1, 2})
	expect("the version", whole.COEVersion, "v1.34.1")
	expect("without an address, without a stack", []bool{whole.APIAddress == "", whole.StackID == ""}, []bool{false, false})
	expect("the flavors", []string{whole.FlavorID, whole.MasterFlavorID}, []string{"m1.medium", "m1.small"})
	expect("faults", len(whole.Faults), 0)
	expect("floating ips", whole.FloatingIPEnabled, true)
	expect("the number of links", len(whole.Links), 2)
	expect("created at the zero time", whole.CreatedAt.IsZero(), false)
	byName, err := clusters.Get(c.magnum(""), whole.Name).Extract()
	must("get by name", err)
	expect("what is found by name", byName.UUID, id)
}

func walkClusterPages(c cloud, first, template string) {
	second := c.cluster("other", template, 1)
	options := clusters.ListOpts{Limit: 1, SortKey: "id", SortDir: "asc"}
	for what, pager := range map[string]pagination.Pager{
		"list":           clusters.List(c.magnum(""), options),
		"list in detail": clusters.ListDetail(c.magnum("latest"), options),
	} {
		pages, err := pager.AllPages()
		must(what+", one a page", err)
		listed, err := clusters.ExtractClusters(pages)
		must("read the "+what, err)
		expect("how many in the "+what, len(listed), 2)
		expect("the "+what, []string{listed[0].UUID, listed[1].UUID}, []string{first, second})
		expect("the status in the "+what, listed[1].Status, "CREATE_COMPLETE")
	}
	c.deleteCluster(second)
}

func walkClusterChanges(c cloud, id string) {
	uuid, err := clusters.Update(c.magnum(""), id, []clusters.UpdateOptsBuilder{
		clusters.UpdateOpts{Op: clusters.ReplaceOp, Path: "/node_count", Value: 3},
	}).Extract()
	must("update", err)
	expect("what update answers", uuid, id)
	c.settled("update", id)
	_, err = clusters.Update(c.magnum(""), id, []clusters.UpdateOptsBuilder{
		clusters.UpdateOpts{Op: clusters.ReplaceOp, Path: "/status", Value: "CREATE_COMPLETE"},
	}).Extract()
	refused("update of the status", err, gophercloud.ErrDefault400{})

	_, err = clusters.Resize(c.magnum("1.6"), id, clusters.ResizeOpts{NodeCount: number(1)}).Extract()
	refused("resize before 1.7", err, gophercloud.ErrUnexpectedResponseCode{})
	uuid, err = clusters.Resize(c.magnum("1.7"), id, clusters.ResizeOpts{NodeCount: number(1)}).Extract()
	must("resize", err)
	expect("what resize answers", uuid, id)
	c.settled("resize", id)
}

func walkUpgrade(c cloud, id, template string) {
	expect("what upgrade answers", c.upgrade(id, template), id)
	c.settled("upgrade", id)
	upgraded, err := clusters.Get(c.magnum(""), id).Extract()
	must("get", err)
	got := []interface{}{upgraded.ClusterTemplateID, upgraded.COEVersion, upgraded.NodeCount}
	expect("template, version and nodes", got, []interface{}{template, "v1.35.0", 1})
}
