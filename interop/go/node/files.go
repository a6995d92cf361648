package node

// The two files that operators of the reference router hand to each other: node.pub and the link's
// attestation. Both are JSON; SPEC.md says nothing of them.

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"

	"ioe.example/interop/codec"
	"ioe.example/interop/names"
	"ioe.example/interop/wire"
)

type nodeFile struct {
	Format        string `json:"format"`
	Node          string `json:"node"`
	CACertificate string `json:"ca_certificate"`
}

// WriteNodePub writes what the neighbour's operator is handed.
func (own *Identity) WriteNodePub(path string) error {
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: own.CA})
	text, err := json.MarshalIndent(nodeFile{"ioe-node-1", own.Text(), string(certificate)}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

// Neighbor is a configured neighbour: who it is, and its pinned CA certificate.
type Neighbor struct {
	Node []byte
	CA   *x509.Certificate
}

// ReadNodePub reads a neighbour's node.pub.
func ReadNodePub(path string) (Neighbor, error) {
	var file nodeFile
	if err := readJSON(path, &file); err != nil {
		return Neighbor{}, err
	}
	block, _ := pem.Decode([]byte(file.CACertificate))
	if block == nil {
		return Neighbor{}, fmt.Errorf("%s holds no certificate", path)
	}
	ca, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return Neighbor{}, fmt.Errorf("the certificate in %s cannot be read: %w", path, err)
	}
	node, err := names.ParseText("ioe", file.Node)
	if err != nil {
		return Neighbor{}, fmt.Errorf("%s: %w", path, err)
	}
	key, err := keyOf(ca)
	if err != nil || !bytes.Equal(names.Node(key), node) {
		return Neighbor{}, fmt.Errorf("the certificate in %s is not that of %s", path, file.Node)
	}
	return Neighbor{node, ca}, nil
}

type attestationFile struct {
	Format      string `json:"format"`
	Attestation struct {
		Type       string          `json:"type"`
		Signed     string          `json:"signed"`
		Signatures []signatureText `json:"signatures"`
	} `json:"attestation"`
}

type signatureText struct {
	Key       string `json:"key"`
	Signature string `json:"signature"`
}

// ReadAttestation reads a link attestation, signed by one end or by both.
func ReadAttestation(path string) (*wire.SignedEnvelope, error) {
	var file attestationFile
	if err := readJSON(path, &file); err != nil {
		return nil, err
	}
	signed, err := hex.DecodeString(file.Attestation.Signed)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	envelope := &wire.SignedEnvelope{Type: wire.ObjectType_OBJECT_TYPE_LINK_ATTESTATION, Signed: signed}
	for _, text := range file.Attestation.Signatures {
		key, keyErr := hex.DecodeString(text.Key)
		signature, signatureErr := hex.DecodeString(text.Signature)
		if keyErr != nil || signatureErr != nil {
			return nil, fmt.Errorf("a signature in %s is not hexadecimal", path)
		}
		envelope.Signatures = append(envelope.Signatures, &wire.Signature{Key: key, Signature: signature})
	}
	return envelope, nil
}

// WriteAttestation writes an attestation as the reference router's commands read it.
func WriteAttestation(path string, envelope *wire.SignedEnvelope) error {
	file := attestationFile{Format: "ioe-attestation-2"}
	file.Attestation.Type = "LINK_ATTESTATION"
	file.Attestation.Signed = hex.EncodeToString(envelope.Signed)
	for _, signature := range envelope.Signatures {
		file.Attestation.Signatures = append(file.Attestation.Signatures,
			signatureText{hex.EncodeToString(signature.Key), hex.EncodeToString(signature.Signature)})
	}
	text, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

func readJSON(path string, into any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s is no JSON of the expected form: %w", path, err)
	}
	return nil
}

// OpenAttestation opens an attestation that both ends have signed.
func OpenAttestation(networkID string, nowUtc uint64, envelope *wire.SignedEnvelope) (*wire.LinkAttestation, error) {
	opened, err := codec.Open(networkID, nowUtc, nil, envelope)
	if err != nil {
		return nil, err
	}
	return opened.Message.(*wire.LinkAttestation), nil
}
