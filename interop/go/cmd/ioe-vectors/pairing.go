package main

// Operations of the pairing port.

import (
	"fmt"

	"ioe.example/interop/pairing"
)

func codeDraw(in struct {
	Entropy hexBytes `json:"entropy"`
}) (outputs, error) {
	code := pairing.Draw(in.Entropy)
	return outputs{"code": code, "shown": pairing.Shown(code)}, nil
}

func codeTyped(in struct {
	Typed string `json:"typed"`
}) (outputs, error) {
	code, err := pairing.Typed(in.Typed)
	if err != nil {
		return nil, err
	}
	return outputs{"code": code}, nil
}

func cpaceExchange(in struct {
	Secret  hexBytes `json:"secret"`
	Channel hexBytes `json:"channel"`
	Sid     hexBytes `json:"sid"`
	ScalarA hexBytes `json:"scalar_a"`
	DataA   hexBytes `json:"data_a"`
	ScalarB hexBytes `json:"scalar_b"`
	DataB   hexBytes `json:"data_b"`
}) (outputs, error) {
	text := pairing.GeneratorString(in.Secret, in.Channel, in.Sid)
	generator := pairing.Generator(text)
	shareA, err := pairing.Share(in.ScalarA, generator)
	if err != nil {
		return nil, err
	}
	shareB, err := pairing.Share(in.ScalarB, generator)
	if err != nil {
		return nil, err
	}
	shared, err := pairing.Share(in.ScalarA, shareB)
	if err != nil {
		return nil, err
	}
	agreed := pairing.Agree(in.Sid, shared, shareA, in.DataA, shareB, in.DataB)
	keyA, keyB := pairing.SealKeys(in.Sid, agreed.ISK)
	return outputs{
		"generator_string": hexBytes(text), "generator": hexBytes(generator),
		"share_a": hexBytes(shareA), "share_b": hexBytes(shareB), "shared": hexBytes(shared),
		"isk": hexBytes(agreed.ISK), "mac_key": hexBytes(agreed.MacKey),
		"tag_a": hexBytes(agreed.TagA), "tag_b": hexBytes(agreed.TagB),
		"seal_key_a": hexBytes(keyA), "seal_key_b": hexBytes(keyB),
	}, nil
}

func cpaceShare(in struct {
	Scalar hexBytes `json:"scalar"`
	Share  hexBytes `json:"share"`
}) (outputs, error) {
	shared, err := pairing.Share(in.Scalar, in.Share)
	if err != nil {
		return nil, err
	}
	return outputs{"shared": hexBytes(shared)}, nil
}

type card struct {
	Network string   `json:"network_id"`
	CA      hexBytes `json:"ca"`
	Port    uint16   `json:"port"`
}

type talk struct {
	Code     string     `json:"code"`
	EntropyA hexBytes   `json:"entropy_a"`
	EntropyB hexBytes   `json:"entropy_b"`
	CardA    card       `json:"card_a"`
	CardB    card       `json:"card_b"`
	ToB      []hexBytes `json:"to_b"`
}

func side(entropy []byte, own card) (pairing.Side, error) {
	if len(entropy) != 48 {
		return pairing.Side{}, fmt.Errorf("%d bytes of entropy", len(entropy))
	}
	return pairing.Side{Nonce: entropy[:16], Scalar: entropy[16:],
		Card: pairing.Card{NetworkID: own.Network, CA: own.CA, Port: own.Port}}, nil
}

func talkWhole(in talk) (outputs, error) {
	a, err := side(in.EntropyA, in.CardA)
	if err != nil {
		return nil, err
	}
	b, err := side(in.EntropyB, in.CardB)
	if err != nil {
		return nil, err
	}
	said, err := pairing.Whole(in.Code, a, b)
	if err != nil {
		return nil, err
	}
	messages := [][2]any{}
	for _, one := range said {
		messages = append(messages, [2]any{one.Side, hexBytes(one.Message)})
	}
	return outputs{"messages": messages}, nil
}

func talkAnswer(in talk) (outputs, error) {
	b, err := side(in.EntropyB, in.CardB)
	if err != nil {
		return nil, err
	}
	listener := pairing.NewListener(in.Code, b)
	for _, message := range in.ToB {
		if _, err := listener.Take(message); err != nil {
			return nil, err
		}
	}
	return outputs{}, nil
}
