package main

import (
	"time"

	"github.com/gophercloud/gophercloud"
	"github.com/gophercloud/gophercloud/openstack/containerinfra/v1/clusters"
	"github.com/gophercloud/gophercloud/openstack/containerinfra/v1/clustertemplates"
	"github.com/gophercloud/gophercloud/openstack/containerinfra/v1/nodegroups"
)

// What gophercloud 1 and 2 send and read beyond the version that Debian has.

type newerCluster struct {
	clusters.Cluster
	LabelsAdded      map[string]string `json:"labels_added"`
	LabelsOverridden map[string]string `json:"labels_overridden"`
	LabelsSkipped    map[string]string `json:"labels_skipped"`
	MasterLBEnabled  bool              `json:"master_lb_enabled"`
}

type newerNodegroup struct {
	nodegroups.NodeGroup
	LabelsAdded      map[string]string `json:"labels_added"`
	LabelsOverridden map[string]string `json:"labels_overridden"`
	LabelsSkipped    map[string]string `json:"labels_skipped"`
}

type newerTemplate struct {
	clustertemplates.ClusterTemplate
	Hidden bool `json:"hidden"`
}

type newerService struct {
	ID             int       `json:"id"`
	Binary         string    `json:"binary"`
	Host           string    `json:"host"`
	State          string    `json:"state"`
	ReportCount    int       `json:"report_count"`
	Disabled       bool      `json:"disabled"`
	DisabledReason string    `json:"disabled_reason"`
	CreatedAt      time.Time `json:"created_at"`
	UpdatedAt      time.Time `json:"updated_at"`
}

// send is a request of a package that Debian's version does not have; the answer is read into that type.
func (c cloud) send(version, method string, body, into interface{}, code int, path ...string) {
	client := c.magnum(version)
	var result gophercloud.Result
	options := &gophercloud.RequestOpts{OkCodes: []int{code}}
	var err error
	switch method {
	case "POST":
		_, err = client.Post(client.ServiceURL(path...), body, &result.Body, options)
	case "PATCH":
		_, err = client.Patch(client.ServiceURL(path...), body, &result.Body, options)
	default:
		_, err = client.Get(client.ServiceURL(path...), &result.Body, options)
	}
	must(method+" "+path[0], err)
	must("read the answer", result.ExtractInto(into))
}

// upgrade sends clusters.Upgrade as terraform does, at 1.8; what is answered is the cluster's id.
func (c cloud) upgrade(cluster, template string) string {
	var answer struct{ UUID string }
	body := map[string]interface{}{"cluster_template": template, "max_batch_size": 1}
	c.send("1.8", "POST", body, &answer, 202, "clusters", cluster, "actions/upgrade")
	return answer.UUID
}

func walkNewer(c cloud) {
	labels := map[string]string{"kept": "1", "changed": "1"}
	id := c.template("labels", labels)
	var template newerTemplate
	var patch []map[string]string
	for path, value := range map[string]string{
		"labels": "{'kept':'1','changed':'1'}", "docker_volume_size": "9", "floating_ip_enabled": "false", "server_type": "vm",
	} {
		patch = append(patch, map[string]string{"op": "replace", "path": "/" + path, "value": value})
	}
	c.send("", "PATCH", patch, &template, 200, "clustertemplates", id)
	expect("labels as terraform writes them", template.Labels, labels)
	got := []interface{}{template.DockerVolumeSize, template.FloatingIPEnabled, template.ServerType}
	expect("numbers and booleans as terraform writes them", got, []interface{}{9, false, "vm"})
	expect("hidden", template.Hidden, false)

	var made struct{ UUID string }
	c.send("1.10", "POST", map[string]interface{}{
		"name": name("labels"), "cluster_template_id": id, "node_count": 0, "master_count": 1, "merge_labels": true,
		"labels": map[string]interface{}{"changed": 2, "added": "2"}, "create_timeout": nil, "master_lb_enabled": true,
	}, &made, 202, "clusters")
	settle("create", "CREATE_COMPLETE", []string{"CREATE_IN_PROGRESS"}, c.clusterStatus(made.UUID))
	var cluster newerCluster
	c.send("latest", "GET", nil, &cluster, 200, "clusters", made.UUID)
	expect("the labels", cluster.Labels, map[string]string{"kept": "1", "changed": "2", "added": "2"})
	expect("labels added", cluster.LabelsAdded, map[string]string{"added": "2"})
	expect("labels overridden", cluster.LabelsOverridden, map[string]string{"changed": "1"})
	expect("labels skipped", cluster.LabelsSkipped, map[string]string{})
	expect("no nodes, and a load balancer", []interface{}{cluster.NodeCount, cluster.MasterLBEnabled}, []interface{}{0, true})

	var group newerNodegroup
	c.send("1.14", "POST", map[string]interface{}{
		"name": "merged", "node_count": 1, "merge_labels": true, "labels": map[string]string{"added": "3"},
	}, &group, 202, "clusters", made.UUID, "nodegroups")
	expect("the nodegroup's labels", group.Labels, map[string]string{"kept": "1", "changed": "2", "added": "3"})
	c.settled("nodegroup", made.UUID)
	c.deleteCluster(made.UUID)
	c.deleteTemplate(id)
}

func walkServices(c cloud) {
	var list struct {
		Services []newerService `json:"mservices"`
	}
	c.send("", "GET", nil, &list, 200, "mservices")
	expect("the conductor", []interface{}{len(list.Services), list.Services[0].State}, []interface{}{1, "up"})
}
