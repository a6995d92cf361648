package node

// Keys of a laboratory on disk: both seeds and the certificates, in one private file. A product
// would keep the identity key encrypted (IOE-IDN-050).

import (
	"crypto/ed25519"
	"encoding/json"
	"os"
	"path/filepath"

	"google.golang.org/protobuf/proto"

	"ioe.example/interop/names"
	"ioe.example/interop/wire"
)

const secretsFile = "secrets.json"

type secrets struct {
	Network         string `json:"network"`
	Identity        []byte `json:"identity_seed"`
	Operational     []byte `json:"operational_seed"`
	Certificate     []byte `json:"operational_key_object"`
	CA              []byte `json:"ca_certificate"`
	OperationalX509 []byte `json:"operational_certificate"`
}

// Save writes an identity into a folder, readable by its owner alone.
func (own *Identity) Save(folder string) error {
	certificate, err := proto.Marshal(own.Certificate)
	if err != nil {
		return err
	}
	text, err := json.Marshal(secrets{own.NetworkID, own.Identity.Seed(), own.Operational.Seed(), certificate, own.CA, own.operational})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, secretsFile), text, 0o600)
}

// Load reads what Save has written.
func Load(folder string) (*Identity, error) {
	var held secrets
	if err := readJSON(filepath.Join(folder, secretsFile), &held); err != nil {
		return nil, err
	}
	certificate := &wire.SignedEnvelope{}
	if err := proto.Unmarshal(held.Certificate, certificate); err != nil {
		return nil, err
	}
	identity := ed25519.NewKeyFromSeed(held.Identity)
	return &Identity{NetworkID: held.Network, Node: names.Node(public(identity)), Identity: identity,
		Operational: ed25519.NewKeyFromSeed(held.Operational), Certificate: certificate,
		CA: held.CA, operational: held.OperationalX509}, nil
}
