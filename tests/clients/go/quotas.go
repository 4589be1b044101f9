package main

import (
	"github.com/gophercloud/gophercloud"
	"github.com/gophercloud/gophercloud/openstack/containerinfra/v1/quotas"
	"github.com/gophercloud/gophercloud/openstack/identity/v3/tokens"
)

// project is the id of the session's own.
func (c cloud) project() string {
	result, ok := c.provider.GetAuthResult().(tokens.CreateResult)
	expect("a token of Keystone's version 3", ok, true)
	project, err := result.ExtractProject()
	must("the token's project", err)
	return project.ID
}

func walkQuotas(c cloud) {
	project := c.project()
	options := quotas.CreateOpts{ProjectID: project, Resource: "Cluster", HardLimit: 50}
	made, err := quotas.Create(c.magnum(""), options).Extract()
	must("create", err)
	got := []interface{}{made.ProjectID, made.Resource, made.HardLimit, made.ID == "", made.CreatedAt.IsZero()}
	expect("the quota", got, []interface{}{project, "Cluster", 50, false, false})
	_, err = quotas.Create(c.magnum(""), options).Extract()
	refused("create again", err, gophercloud.ErrDefault409{})
	_, err = quotas.Create(c.magnum(""), quotas.CreateOpts{ProjectID: project, Resource: "Pod"}).Extract()
	refused("a quota of pods", err, gophercloud.ErrDefault400{})
	// This package can only create.
	client := c.magnum("")
	_, err = client.Request("DELETE", client.ServiceURL("quotas", project, "Cluster"), &gophercloud.RequestOpts{
		MoreHeaders: map[string]string{}, OkCodes: []int{204},
	})
	must("delete", err)
}
