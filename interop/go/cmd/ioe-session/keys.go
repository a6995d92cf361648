package main

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/protobuf/proto"

	"ioe.example/interop/codec"
	"ioe.example/interop/node"
	"ioe.example/interop/wire"
)

func initialise(arguments []string) error {
	flags := flag.NewFlagSet("init", flag.ExitOnError)
	network := flags.String("network", "", "network id")
	dir := flags.String("dir", "", "folder of the keys; it has to exist")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if *network == "" || *dir == "" {
		return errors.New("init needs --network and --dir")
	}
	if _, err := os.Stat(filepath.Join(*dir, "node.pub")); err == nil {
		return fmt.Errorf("%s has a node already; choose another folder", *dir)
	}
	own, err := node.NewIdentity(*network, time.Now())
	if err != nil {
		return err
	}
	if err := own.Save(*dir); err != nil {
		return err
	}
	fmt.Println(own.Text())
	return own.WriteNodePub(filepath.Join(*dir, "node.pub"))
}

// attest adds this node's signature to an attestation that the other end has signed, in its place:
// the keeper's comes first.
func attest(arguments []string) error {
	flags := flag.NewFlagSet("attest", flag.ExitOnError)
	dir := flags.String("dir", "", "folder of the keys")
	swap := flags.Bool("keep", false, "state the link anew with this node as its keeper, for the other end to sign")
	kind := flags.String("kind", "", "with --keep: radial or controlled")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return errors.New("attest needs one attestation file")
	}
	own, err := node.Load(*dir)
	if err != nil {
		return err
	}
	held, err := node.ReadAttestation(flags.Arg(0))
	if err != nil {
		return err
	}
	read, err := codec.Read("ioe.v1.LinkAttestation", held.Signed)
	if err != nil {
		return err
	}
	link := read.(*wire.LinkAttestation)
	if !bytes.Equal(link.Keeper, own.Node) && !bytes.Equal(link.Other, own.Node) {
		return fmt.Errorf("%s is about a link of other nodes", flags.Arg(0))
	}
	if *swap {
		held, err = keepLink(own, link, *kind)
	} else {
		held, err = countersign(own, held)
	}
	if err != nil {
		return err
	}
	return node.WriteAttestation(flags.Arg(0), held)
}

func countersign(own *node.Identity, held *wire.SignedEnvelope) (*wire.SignedEnvelope, error) {
	input := codec.SignatureInput(own.NetworkID, "ioe.v1.LinkAttestation", held.Signed)
	held.Signatures = append(held.Signatures, &wire.Signature{
		Key: own.Identity.Public().(ed25519.PublicKey), Signature: ed25519.Sign(own.Identity, input)})
	_, err := codec.Open(own.NetworkID, uint64(time.Now().Unix()), nil, held)
	return held, err
}

// keepLink states the same link with this node as keeper and signs it alone.
func keepLink(own *node.Identity, link *wire.LinkAttestation, kind string) (*wire.SignedEnvelope, error) {
	turned := proto.Clone(link).(*wire.LinkAttestation)
	turned.Keeper, turned.Other = own.Node, other(link, own.Node)
	if kind == "controlled" {
		turned.Kind = wire.LinkKind_LINK_KIND_CONTROLLED
	}
	return codec.Seal(own.NetworkID, wire.ObjectType_OBJECT_TYPE_LINK_ATTESTATION, turned, own.Identity)
}

func other(link *wire.LinkAttestation, own []byte) []byte {
	if bytes.Equal(link.Keeper, own) {
		return link.Other
	}
	return link.Keeper
}
