// Package node is a router that holds one session and makes one reservation as its initiator: keys
// and certificates (SPEC 4.2, 4.7, 5.2), the stream (5.1), the handshake (6.5), what it hears (7),
// and HOLD to RECEIPT (10). It is no complete router: it offers nothing and forwards nothing.
package node

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"time"

	"ioe.example/interop/codec"
	"ioe.example/interop/names"
	"ioe.example/interop/wire"
)

// Lives of keys and certificates, and how far back they begin (IOE-TRN-110).
const (
	caYears        = 10
	operationalFor = 7 * 24 * time.Hour
	leafFor        = 4 * time.Hour
	backdated      = 120 * time.Second
)

// Identity is a node's keys in one network: the identity key and one operational key with its
// certificates.
type Identity struct {
	NetworkID   string
	Node        []byte // node id
	Identity    ed25519.PrivateKey
	Operational ed25519.PrivateKey
	Certificate *wire.SignedEnvelope // OPERATIONAL_KEY
	CA          []byte               // DER
	operational []byte               // DER
}

// NewIdentity draws both keys and certifies the operational one with serial 1.
func NewIdentity(networkID string, now time.Time) (*Identity, error) {
	_, identity, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	_, operational, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	own := &Identity{NetworkID: networkID, Identity: identity, Operational: operational, Node: names.Node(public(identity))}
	if err := own.certify(now); err != nil {
		return nil, err
	}
	return own, own.certifyX509(now)
}

func public(key ed25519.PrivateKey) ed25519.PublicKey { return key.Public().(ed25519.PublicKey) }

// certify makes the OPERATIONAL_KEY object, signed by both keys.
func (own *Identity) certify(now time.Time) (err error) {
	own.Certificate, err = codec.Seal(own.NetworkID, wire.ObjectType_OBJECT_TYPE_OPERATIONAL_KEY, &wire.OperationalKey{
		NetworkId: own.NetworkID, IdentityKey: public(own.Identity), OperationalKey: public(own.Operational), Serial: 1,
		IssuedUtcS: uint64(now.Add(-backdated).Unix()), ExpiresUtcS: uint64(now.Add(operationalFor).Unix()),
	}, own.Identity, own.Operational)
	return err
}

// Text is the node id as people see it.
func (own *Identity) Text() string { return names.Text("ioe", own.Node) }

// domainName is what leaves name and the CA is constrained to.
func domainName(node []byte) string { return names.Text("ioe", node) + ".ioe.internal" }

func (own *Identity) certifyX509(now time.Time) error {
	ca := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: own.Text()},
		NotBefore: now.Add(-backdated), NotAfter: now.AddDate(caYears, 0, 0),
		IsCA: true, BasicConstraintsValid: true, MaxPathLen: 1,
		PermittedDNSDomainsCritical: true, PermittedDNSDomains: []string{domainName(own.Node)},
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	operational := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "operational 1"},
		NotBefore: now.Add(-backdated), NotAfter: now.Add(operationalFor),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	var err error
	if own.CA, err = x509.CreateCertificate(rand.Reader, ca, ca, public(own.Identity), own.Identity); err != nil {
		return fmt.Errorf("the CA certificate cannot be made: %w", err)
	}
	issuer, err := x509.ParseCertificate(own.CA)
	if err != nil {
		return err
	}
	own.operational, err = x509.CreateCertificate(rand.Reader, operational, issuer, public(own.Operational), own.Identity)
	return err
}

// Leaf issues a TLS certificate for the coming hours; it is presented with the operational one.
func (own *Identity) Leaf(now time.Time) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	issuer, err := x509.ParseCertificate(own.operational)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: own.Text()}, DNSNames: []string{domainName(own.Node)},
		NotBefore: now.Add(-backdated), NotAfter: now.Add(leafFor), BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, issuer, key.Public(), own.Operational)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{leaf, own.operational}, PrivateKey: key}, nil
}

func serial() *big.Int {
	number, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		panic(err) // the system has no randomness
	}
	return number.Add(number, big.NewInt(1))
}
