package proxy

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"

	"divvy/router"
)

// demand returns how TLS is spoken where clients are asked for certificates, for
// hosts with a service that wants one. They are verified when a connection is
// opened, or resumed; whether one is of an authority that the service trusts, and
// whether there has to be one, is found out for each request, since a connection can
// be asked for several services.
func (p *Proxy) demand(base *tls.Config) *tls.Config {
	c := base.Clone()
	before := c.GetConfigForClient
	c.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		var special *tls.Config
		if before != nil {
			var err error
			if special, err = before(hello); err != nil {
				return nil, err
			}
		}
		trusted, asked := p.world.Load().table.Authorities(hello.ServerName)
		if !asked {
			return special, nil
		}
		if special == nil {
			special = base
		}
		special = special.Clone()
		special.GetConfigForClient = nil
		special.ClientAuth, special.ClientCAs = tls.VerifyClientCertIfGiven, x509.NewCertPool()
		for _, a := range trusted {
			special.ClientCAs.AddCert(a)
		}
		return special, nil
	}
	return c
}

// certify finds out whether the client has shown a certificate that the service
// trusts.
func (ex *exchange) certify() error {
	asks, must := ex.service.AsksForCertificates()
	switch {
	case !asks:
		return nil
	case ex.service.Trusts(ex.verified):
		ex.certificate = ex.verified[0][0]
		return nil
	case !must:
		return nil
	case ex.secure && ex.named != router.HostName(view(ex.req.Host)):
		return errMisdirected // on a connection for this host it will be asked
	default:
		return errNoCertificate
	}
}

// Certificate implements router.Request.
func (ex *exchange) Certificate() string {
	if ex.certificate == nil {
		return ""
	}
	return router.CertificateUnit(ex.certificate)
}

// clientCert is the field that tells an origin of the client's certificate (RFC
// 9440), and clientCertChain one that we do not use.
const (
	clientCert      = "Client-Cert"
	clientCertChain = "Client-Cert-Chain"
)

// appendCertificate appends what the origin is told of the client's certificate.
func (ex *exchange) appendCertificate(dst []byte) []byte {
	if ex.certificate == nil {
		return dst
	}
	dst = append(append(dst, clientCert...), ": :"...)
	dst = base64.StdEncoding.AppendEncode(dst, ex.certificate.Raw)
	return append(dst, ":\r\n"...)
}
