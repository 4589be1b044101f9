package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log"

	"github.com/gophercloud/gophercloud"
	"github.com/gophercloud/gophercloud/openstack/containerinfra/v1/certificates"
)

// administrator signs a key as terraform's provider does for a kubeconfig, and holds the certificate against the CA,
// whose PEM is returned.
func (c cloud) administrator(cluster string) string {
	authority, err := certificates.Get(c.magnum(""), cluster).Extract()
	must("get the authority", err)
	expect("whose authority", authority.ClusterUUID, cluster)
	expect("the authority's links", len(authority.Links), 2)

	request := signingRequest()
	signed, err := certificates.Create(c.magnum(""), certificates.CreateOpts{ClusterUUID: cluster, CSR: request}).Extract()
	must("sign", err)
	expect("the request in the answer", signed.CSR, request)
	trusted := x509.NewCertPool()
	expect("a PEM of the authority", trusted.AppendCertsFromPEM([]byte(authority.PEM)), true)
	leaf := certificate(signed.PEM)
	_, err = leaf.Verify(x509.VerifyOptions{Roots: trusted, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	must("verify", err)
	expect("who it is for", leaf.Subject.String(), "CN=admin,OU=terraform,O=system:masters")
	return authority.PEM
}

func signingRequest() string {
	key, err := rsa.GenerateKey(rand.Reader, 4096)
	must("make a key", err)
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		SignatureAlgorithm: x509.SHA512WithRSA,
		Subject: pkix.Name{
			CommonName: "admin", Organization: []string{"system:masters"}, OrganizationalUnit: []string{"terraform"},
		},
	}, key)
	must("make a request", err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: request}))
}

func certificate(text string) *x509.Certificate {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		log.Fatalf("no PEM: %s", text)
	}
	parsed, err := x509.ParseCertificate(block.Bytes)
	must("parse the certificate", err)
	return parsed
}

func walkCertificates(c cloud) {
	template := c.template("certificates", nil)
	cluster := c.cluster("certificates", template, 1)
	before := c.administrator(cluster)
	must("rotate", certificates.Update(c.magnum(""), cluster).ExtractErr())
	c.settled("rotate", cluster)
	expect("the same authority after a rotation", c.administrator(cluster) == before, false)
	refused("rotate nothing", certificates.Update(c.magnum(""), "nothing").ExtractErr(), gophercloud.ErrDefault404{})
	_, err := certificates.Create(c.magnum(""), certificates.CreateOpts{BayUUID: cluster, CSR: signingRequest()}).Extract()
	refused("sign for a bay", err, gophercloud.ErrDefault400{}) // Magnum has no bays any more
	_, err = certificates.Create(c.magnum(""), certificates.CreateOpts{ClusterUUID: cluster, CSR: "nonsense"}).Extract()
	refused("sign nonsense", err, gophercloud.ErrDefault400{})
	_, err = certificates.Get(c.magnum(""), "nothing").Extract()
	refused("the authority of nothing", err, gophercloud.ErrDefault404{})
	c.deleteCluster(cluster)
	c.deleteTemplate(template)
}
