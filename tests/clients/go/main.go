// Command walk asks Jeroboam what Go programs ask Magnum, with gophercloud's own requests and types.
//
// Rule: gophercloud is the judge. A status code that it does not expect, or an answer that it cannot read into its
// types, ends the walk with what it said. What is compared beyond that is what its users go by. Each walk makes what
// it needs, in the project that OS_* names, and leaves nothing behind.
package main

import (
	"fmt"
	"log"
	"os"
	"reflect"

	"github.com/gophercloud/gophercloud"
	"github.com/gophercloud/gophercloud/openstack"
)

var walks = map[string]func(cloud){
	"versions":     walkVersions,
	"templates":    walkTemplates,
	"clusters":     walkClusters,
	"nodegroups":   walkNodegroups,
	"certificates": walkCertificates,
	"quotas":       walkQuotas,
	"services":     walkServices,
	"newer":        walkNewer,
	"failures":     walkFailures,
	"terraform":    walkTerraform,
	"autoscaler":   walkAutoscaler,
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 || walks[os.Args[1]] == nil {
		log.Fatalf("usage: walk NAME, where NAME is one of %v", reflect.ValueOf(walks).MapKeys())
	}
	walks[os.Args[1]](connect())
}

// cloud is one user's session, in one project.
type cloud struct {
	provider *gophercloud.ProviderClient
	region   gophercloud.EndpointOpts
}

func connect() cloud {
	options, err := openstack.AuthOptionsFromEnv()
	must("credentials", err)
	provider, err := openstack.AuthenticatedClient(options)
	must("authenticate", err)
	return cloud{provider, gophercloud.EndpointOpts{Region: os.Getenv("OS_REGION_NAME")}}
}

// magnum is a client that sends that microversion; none where it is "".
func (c cloud) magnum(microversion string) *gophercloud.ServiceClient {
	client, err := openstack.NewContainerInfraV1(c.provider, c.region)
	must("find container-infra in the catalogue", err)
	client.Microversion = microversion
	return client
}

func must(what string, err error) {
	if err != nil {
		log.Fatalf("%s: %v", what, err)
	}
}

func expect(what string, got, wanted interface{}) {
	if !reflect.DeepEqual(got, wanted) {
		log.Fatalf("%s is %#v, not %#v", what, got, wanted)
	}
}

// refused wants the error that gophercloud makes of a status code.
func refused(what string, err error, wanted error) {
	if reflect.TypeOf(err) != reflect.TypeOf(wanted) {
		log.Fatalf("%s: %T %v, not %T", what, err, err, wanted)
	}
}

func number(of int) *int { return &of }

func yes() *bool {
	value := true
	return &value
}

// name is one that no earlier run has used: names of clusters need not be unique, but lookups by name do.
func name(of string) string { return fmt.Sprintf("go-%s-%d", of, os.Getpid()) }
