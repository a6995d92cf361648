package main

// Objects as the operation "reserve" writes them: made of JSON, with placeholders for object ids and
// labels, signed by whom the vector names, and written back the same way.

import (
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"ioe.example/interop/codec"
	"ioe.example/interop/wire"
)

type sayable struct {
	Type   string         `json:"type"`
	By     []string       `json:"by"`
	Fields map[string]any `json:"fields"`
}

// stage is what objects are made and written with.
type stage struct {
	network string
	keys    map[string]ed25519.PrivateKey
	label   func(name string) []byte // of "$label ORIGIN DIRECTION"
	labels  map[string]bool          // hexadecimal
	ids     map[string]string        // names of object ids, "$commit 1", by hexadecimal
	latest  map[string][]byte        // object id by type in lower case
	count   map[string]int
}

func (s *stage) make(say *sayable) (*wire.SignedEnvelope, error) {
	kind, known := wire.ObjectType_value["OBJECT_TYPE_"+say.Type]
	if !known {
		return nil, fmt.Errorf("no type %s", say.Type)
	}
	message, _ := codec.New(codec.MessageOf(wire.ObjectType(kind)))
	if err := s.fill(message.ProtoReflect(), say.Fields); err != nil {
		return nil, err
	}
	signed, err := proto.Marshal(message)
	if err != nil {
		return nil, err
	}
	envelope := &wire.SignedEnvelope{Type: wire.ObjectType(kind), Signed: signed}
	input := codec.SignatureInput(s.network, codec.MessageOf(envelope.Type), signed)
	for _, name := range say.By {
		key := s.keys[name]
		envelope.Signatures = append(envelope.Signatures,
			&wire.Signature{Key: key.Public().(ed25519.PublicKey), Signature: ed25519.Sign(key, input)})
	}
	s.note(envelope)
	return envelope, nil
}

// note names an object and what is nested in it.
func (s *stage) note(envelope *wire.SignedEnvelope) {
	name, id := strings.ToLower(envelope.Type.String()[len("OBJECT_TYPE_"):]), codec.ObjectID(envelope.Signed)
	s.latest[name] = id
	if _, named := s.ids[hex.EncodeToString(id)]; !named {
		s.count[name]++
		s.ids[hex.EncodeToString(id)] = fmt.Sprintf("$%s %d", name, s.count[name])
	}
}

func (s *stage) fill(message protoreflect.Message, fields map[string]any) error {
	for name, value := range fields {
		field := message.Descriptor().Fields().ByName(protoreflect.Name(name))
		if field == nil {
			return fmt.Errorf("%s has no field %s", message.Descriptor().Name(), name)
		}
		if value == nil {
			continue
		}
		if field.IsList() {
			list := message.Mutable(field).List()
			for _, one := range value.([]any) {
				made, err := s.value(field, list.NewElement(), one)
				if err != nil {
					return err
				}
				list.Append(made)
			}
			continue
		}
		made, err := s.value(field, message.NewField(field), value)
		if err != nil {
			return err
		}
		message.Set(field, made)
	}
	return nil
}

func (s *stage) value(field protoreflect.FieldDescriptor, empty protoreflect.Value, value any) (protoreflect.Value, error) {
	switch field.Kind() {
	case protoreflect.MessageKind:
		fields := value.(map[string]any)
		if field.Message().Name() == "SignedEnvelope" {
			return s.nested(fields)
		}
		return empty, s.fill(empty.Message(), fields)
	case protoreflect.BytesKind:
		data, err := s.bytes(value.(string))
		return protoreflect.ValueOfBytes(data), err
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(value.(string)), nil
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(value.(bool)), nil
	}
	var whole integer
	if err := whole.UnmarshalJSON([]byte(value.(json.Number))); err != nil {
		return empty, err
	}
	switch field.Kind() {
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(whole.Int64())), nil
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(uint32(whole.Uint64())), nil
	case protoreflect.Sint64Kind:
		return protoreflect.ValueOfInt64(whole.Int64()), nil
	}
	return protoreflect.ValueOfUint64(whole.Uint64()), nil
}

func (s *stage) nested(fields map[string]any) (protoreflect.Value, error) {
	say := &sayable{Type: fields["type"].(string), Fields: fields["fields"].(map[string]any)}
	for _, name := range fields["by"].([]any) {
		say.By = append(say.By, name.(string))
	}
	envelope, err := s.make(say)
	if err != nil {
		return protoreflect.Value{}, err
	}
	return protoreflect.ValueOfMessage(envelope.ProtoReflect()), nil
}

func (s *stage) bytes(text string) ([]byte, error) {
	if name, label := strings.CutPrefix(text, "$label "); label {
		return s.label(name), nil
	}
	if name, placeholder := strings.CutPrefix(text, "$"); placeholder {
		id, said := s.latest[name]
		if !said {
			return nil, fmt.Errorf("nobody has said %s", text)
		}
		return id, nil
	}
	return hex.DecodeString(text)
}

// unsaid are fields that answers leave out.
var unsaid = map[protoreflect.Name]bool{"number": true, "text": true, "retry_after_ms": true}

// written is a message as answers have it.
func (s *stage) written(message protoreflect.Message) outputs {
	values, fields := outputs{}, message.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		if unsaid[field.Name()] {
			continue
		}
		value := message.Get(field)
		switch {
		case field.IsList():
			list := make([]any, 0, value.List().Len())
			for j := range value.List().Len() {
				list = append(list, s.writtenValue(field, value.List().Get(j)))
			}
			values[string(field.Name())] = list
		case field.Kind() == protoreflect.MessageKind && !message.Has(field),
			mayBeAbsent[field.FullName()] && len(value.Bytes()) == 0:
			values[string(field.Name())] = nil
		default:
			values[string(field.Name())] = s.writtenValue(field, value)
		}
	}
	return values
}

func (s *stage) writtenValue(field protoreflect.FieldDescriptor, value protoreflect.Value) any {
	if field.Kind() == protoreflect.BytesKind {
		text := hex.EncodeToString(value.Bytes())
		if name, named := s.ids[text]; named {
			return name
		}
		if s.labels[text] {
			return "$label"
		}
		return text
	}
	if field.Kind() != protoreflect.MessageKind {
		return plainValue(field, value)
	}
	if envelope, isEnvelope := value.Message().Interface().(*wire.SignedEnvelope); isEnvelope {
		s.note(envelope)
		body, err := codec.Read(codec.MessageOf(envelope.Type), envelope.Signed)
		if err != nil {
			return err.Error()
		}
		return outputs{"type": envelope.Type.String()[len("OBJECT_TYPE_"):], "fields": s.written(body.ProtoReflect())}
	}
	return s.written(value.Message())
}
