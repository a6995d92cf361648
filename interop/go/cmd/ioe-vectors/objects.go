package main

// Operations on what is signed: bodies, envelopes, frames, domains, freshness.

import (
	"ioe.example/interop/codec"
	"ioe.example/interop/routes"
	"ioe.example/interop/trust"
	"ioe.example/interop/wire"
)

func signatureInput(in struct {
	Network string   `json:"network_id"`
	Message string   `json:"message"`
	Signed  hexBytes `json:"signed"`
}) (outputs, error) {
	return outputs{"signature_input": hexBytes(codec.SignatureInput(in.Network, in.Message, in.Signed))}, nil
}

func ed25519Edge(in struct {
	Key       hexBytes `json:"key"`
	Data      hexBytes `json:"data"`
	Signature hexBytes `json:"signature"`
}) (outputs, error) {
	if !codec.StrictVerify(in.Key, in.Signature, in.Data) {
		return nil, codec.Refuse(codec.BadSignature, "strict_verify returns false")
	}
	return outputs{}, nil
}

func malformed(in struct {
	Message string   `json:"message"`
	Signed  hexBytes `json:"signed"`
}) (outputs, error) {
	message, err := codec.Read(in.Message, in.Signed)
	if err != nil {
		return nil, err
	}
	return outputs{"fields": fieldsOf(message)}, nil
}

// keysOf opens certificates without judging their times: the reader holds them already.
func keysOf(network string, certificates []hexBytes) (codec.Keyring, error) {
	keys := codec.Keyring{}
	for _, data := range certificates {
		held, err := codec.ReadEnvelope(data)
		if err != nil {
			return nil, err
		}
		key, err := codec.Read("ioe.v1.OperationalKey", held.Signed)
		if err != nil {
			return nil, err
		}
		keys.Add(key.(*wire.OperationalKey))
	}
	return keys, nil
}

func envelope(in struct {
	Network      string     `json:"network_id"`
	NowUtcS      uint64     `json:"now_utc_s"`
	Certificates []hexBytes `json:"certificates"`
	Envelope     hexBytes   `json:"envelope"`
}) (outputs, error) {
	keys, err := keysOf(in.Network, in.Certificates)
	if err != nil {
		return nil, err
	}
	read, err := codec.ReadEnvelope(in.Envelope)
	if err != nil {
		return nil, err
	}
	opened, err := codec.Open(in.Network, in.NowUtcS, keys, read)
	if err != nil {
		return nil, err
	}
	return outputs{"object_id": hexBytes(opened.ObjectID), "signers": hexAll(opened.Signers)}, nil
}

func frame(in struct {
	Network string   `json:"network_id"`
	Key     hexBytes `json:"key"`
	Frame   hexBytes `json:"frame"`
}) (outputs, error) {
	read, err := codec.ReadFrame(in.Frame)
	if err != nil {
		return nil, err
	}
	if err := codec.VerifyFrame(in.Network, in.Key, read); err != nil {
		return nil, err
	}
	values := outputs{"merkle_root": hexBytes(codec.MerkleRoot(read.Envelopes))}
	if read.Signature != nil {
		values["signature_input"] = hexBytes(codec.FrameInput(in.Network, read))
	}
	return values, nil
}

func freshness(in struct {
	Network     string   `json:"network_id"`
	Certificate hexBytes `json:"certificate"`
	SlotS       uint64   `json:"slot_s"`
	LifetimeMax uint64   `json:"offer_lifetime_max_s"`
	Steps       []struct {
		NowUtcS  uint64   `json:"now_utc_s"`
		Envelope hexBytes `json:"envelope"`
	} `json:"steps"`
}) (outputs, error) {
	keys, err := keysOf(in.Network, []hexBytes{in.Certificate})
	if err != nil {
		return nil, err
	}
	origin, answers := routes.NewOrigin(in.SlotS, in.LifetimeMax), []string{}
	for _, step := range in.Steps {
		answers = append(answers, hear(origin, in.Network, step.NowUtcS, keys, step.Envelope))
	}
	return outputs{"answers": answers}, nil
}

func hear(origin *routes.Origin, network string, nowUtc uint64, keys codec.Keyring, data []byte) string {
	read, err := codec.ReadEnvelope(data)
	if err != nil {
		return string(codec.CodeOf(err))
	}
	opened, err := codec.Open(network, nowUtc, keys, read)
	if err != nil {
		return string(codec.CodeOf(err))
	}
	taken, err := origin.Take(opened.Message, opened.ObjectID, nowUtc)
	switch {
	case err != nil:
		return string(codec.CodeOf(err))
	case taken:
		return "taken"
	}
	return "no effect"
}

// openList opens a TRUST_LIST or certificate envelope of a network.
func openTrust(network string, nowUtc uint64, data []byte) (*codec.Opened, error) {
	read, err := codec.ReadEnvelope(data)
	if err != nil {
		return nil, err
	}
	return codec.Open(network, nowUtc, nil, read)
}

func domainList(in struct {
	Network string   `json:"network_id"`
	NowUtcS uint64   `json:"now_utc_s"`
	InForce hexBytes `json:"in_force"`
	Offered hexBytes `json:"offered"`
}) (outputs, error) {
	held, err := openTrust(in.Network, in.NowUtcS, in.InForce)
	if err != nil {
		return nil, err
	}
	domain := trust.NewDomain(held.Message.(*wire.TrustList), held.ObjectID)
	offered, err := openTrust(in.Network, in.NowUtcS, in.Offered)
	if err != nil {
		return nil, err
	}
	taken, err := domain.Offer(offered.Message.(*wire.TrustList), offered.ObjectID, in.NowUtcS)
	if err != nil {
		return nil, err
	}
	return outputs{"taken": taken, "serial": domain.InForce.Serial}, nil
}

func domainMember(in struct {
	Network     string     `json:"network_id"`
	Lists       []hexBytes `json:"lists"`
	Certificate hexBytes   `json:"certificate"`
}) (outputs, error) {
	const never = 1 << 62 // the question has no clock; no list is from the future
	var domain *trust.Domain
	for _, data := range in.Lists {
		opened, err := openTrust(in.Network, 0, data)
		if err != nil {
			return nil, err
		}
		list := opened.Message.(*wire.TrustList)
		if domain == nil {
			domain = trust.NewDomain(list, opened.ObjectID)
		} else if _, err := domain.Offer(list, opened.ObjectID, never); err != nil {
			return nil, err
		}
	}
	opened, err := openTrust(in.Network, 0, in.Certificate)
	if err != nil {
		return nil, err
	}
	return outputs{"vouched_until_utc_s": domain.VouchedUntil(opened.Message.(*wire.MemberCertificate))}, nil
}
