package main

import (
	"github.com/gophercloud/gophercloud"
	"github.com/gophercloud/gophercloud/openstack/containerinfra/apiversions"
	"github.com/gophercloud/gophercloud/openstack/containerinfra/v1/clustertemplates"
)

func walkVersions(c cloud) {
	pages, err := apiversions.List(c.magnum("")).AllPages()
	must("list versions", err)
	found, err := apiversions.ExtractAPIVersions(pages)
	must("read versions", err)
	expect("the versions", found, []apiversions.APIVersion{
		{ID: "v1", MinVersion: "1.1", Status: "CURRENT", Version: "1.14"},
	})
	// Magnum's answer at /v1/ lists no versions either, whatever this package hopes for.
	_, err = apiversions.Get(c.magnum(""), "v1").Extract()
	refused("get version v1", err, apiversions.ErrVersionNotFound{})
}

// template makes a cluster template with those labels; what must be done after is deleteTemplate.
func (c cloud) template(of string, labels map[string]string) string {
	made, err := clustertemplates.Create(c.magnum(""), clustertemplates.CreateOpts{
		Name:              name(of),
		COE:               "kubernetes",
		ImageID:           "ubuntu-24.04",
		ExternalNetworkID: "public",
		FlavorID:          "m1.small",
		MasterFlavorID:    "m1.small",
		DNSNameServer:     "8.8.8.8",
		MasterLBEnabled:   yes(),
		Labels:            labels,
	}).Extract()
	must("create a template", err)
	return made.UUID
}

func (c cloud) deleteTemplate(id string) {
	must("delete the template", clustertemplates.Delete(c.magnum(""), id).ExtractErr())
}

func walkTemplates(c cloud) {
	client := c.magnum("")
	made, err := clustertemplates.Create(client, clustertemplates.CreateOpts{
		Name:                name("template"),
		COE:                 "kubernetes",
		APIServerPort:       number(6443),
		DNSNameServer:       "8.8.4.4",
		DockerStorageDriver: "overlay2",
		DockerVolumeSize:    number(5),
		ExternalNetworkID:   "public",
		FlavorID:            "m1.small",
		FloatingIPEnabled:   yes(),
		HTTPProxy:           "http://proxy.example.org:3128",
		HTTPSProxy:          "http://proxy.example.org:3128",
		ImageID:             "ubuntu-24.04",
		InsecureRegistry:    "registry.example.org:5000",
		Labels:              map[string]string{"first": "1", "second": "2"},
		MasterFlavorID:      "m1.small",
		MasterLBEnabled:     yes(),
		NetworkDriver:       "flannel",
		NoProxy:             "10.0.0.0/8",
		ServerType:          "vm",
		VolumeDriver:        "cinder",
	}).Extract()
	must("create", err)

	read, err := clustertemplates.Get(client, made.UUID).Extract()
	must("get", err)
	expect("what was created and what is read", read, made)
	expect("the number", read.DockerVolumeSize, 5)
	expect("the port", read.APIServerPort, 6443)
	expect("the labels", read.Labels, map[string]string{"first": "1", "second": "2"})
	expect("the distribution", read.ClusterDistro, "ubuntu")
	expect("public, TLS disabled, registry", []bool{read.Public, read.TLSDisabled, read.RegistryEnabled}, []bool{false, false, false})
	expect("the number of links", len(read.Links), 2)
	expect("created, and never updated", []bool{read.CreatedAt.IsZero(), read.UpdatedAt.IsZero()}, []bool{false, true})

	byName, err := clustertemplates.Get(client, read.Name).Extract()
	must("get by name", err)
	expect("what is found by name", byName.UUID, made.UUID)
	_, err = clustertemplates.Get(client, "nothing").Extract()
	refused("get nothing", err, gophercloud.ErrDefault404{})

	walkTemplateUpdates(c, made.UUID)
	walkTemplatePages(c, made.UUID)
	c.deleteTemplate(made.UUID)
	refused("delete again", clustertemplates.Delete(client, made.UUID).ExtractErr(), gophercloud.ErrDefault404{})
}

func walkTemplateUpdates(c cloud, id string) {
	changed, err := clustertemplates.Update(c.magnum(""), id, []clustertemplates.UpdateOptsBuilder{
		clustertemplates.UpdateOpts{Op: clustertemplates.ReplaceOp, Path: "/master_lb_enabled", Value: "False"},
		clustertemplates.UpdateOpts{Op: clustertemplates.ReplaceOp, Path: "/docker_volume_size", Value: 8},
		clustertemplates.UpdateOpts{Op: clustertemplates.AddOp, Path: "/labels/third", Value: "3"},
		clustertemplates.UpdateOpts{Op: clustertemplates.RemoveOp, Path: "/http_proxy"},
	}).Extract()
	must("update", err)
	expect("the load balancer", changed.MasterLBEnabled, false)
	expect("the number", changed.DockerVolumeSize, 8)
	expect("the labels", changed.Labels, map[string]string{"first": "1", "second": "2", "third": "3"})
	expect("the proxy", changed.HTTPProxy, "")
	expect("updated", changed.UpdatedAt.IsZero(), false)

	_, err = clustertemplates.Update(c.magnum(""), id, []clustertemplates.UpdateOptsBuilder{
		clustertemplates.UpdateOpts{Op: clustertemplates.ReplaceOp, Path: "/uuid", Value: "other"},
	}).Extract()
	refused("update of the id", err, gophercloud.ErrDefault400{})
}

func walkTemplatePages(c cloud, first string) {
	second := c.template("page", nil)
	pages, err := clustertemplates.List(c.magnum(""), clustertemplates.ListOpts{Limit: 1, SortKey: "id", SortDir: "desc"}).AllPages()
	must("list, one a page", err)
	listed, err := clustertemplates.ExtractClusterTemplates(pages)
	must("read the list", err)
	var ids []string
	for _, each := range listed {
		ids = append(ids, each.UUID)
	}
	expect("the list", ids, []string{second, first})
	c.deleteTemplate(second)
}
