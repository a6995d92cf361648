package main

// How values stand in questions and answers: byte strings in hexadecimal, integers as JSON numbers
// of any size, messages by the names of their fields.

import (
	"encoding/hex"
	"encoding/json"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

type hexBytes []byte

func (h *hexBytes) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	decoded, err := hex.DecodeString(text)
	*h = decoded
	return err
}

func (h hexBytes) MarshalJSON() ([]byte, error) { return json.Marshal(hex.EncodeToString(h)) }

func hexAll(items [][]byte) []hexBytes {
	all := make([]hexBytes, 0, len(items))
	for _, item := range items {
		all = append(all, item)
	}
	return all
}

func plain(items []hexBytes) [][]byte {
	all := make([][]byte, 0, len(items))
	for _, item := range items {
		all = append(all, item)
	}
	return all
}

// mayBeAbsent are the fields whose absence means something; absent ones are written as null.
var mayBeAbsent = map[protoreflect.FullName]bool{"ioe.v1.HoldCore.replaces": true}

func fieldsOf(message proto.Message) outputs {
	return fieldsIn(message.ProtoReflect())
}

func fieldsIn(message protoreflect.Message) outputs {
	values, fields := outputs{}, message.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		value := message.Get(field)
		switch {
		case field.IsList():
			list := make([]any, 0, value.List().Len())
			for j := range value.List().Len() {
				list = append(list, plainValue(field, value.List().Get(j)))
			}
			values[string(field.Name())] = list
		case field.Kind() == protoreflect.MessageKind && !message.Has(field),
			mayBeAbsent[field.FullName()] && len(value.Bytes()) == 0:
			values[string(field.Name())] = nil
		default:
			values[string(field.Name())] = plainValue(field, value)
		}
	}
	return values
}

func plainValue(field protoreflect.FieldDescriptor, value protoreflect.Value) any {
	switch field.Kind() {
	case protoreflect.BytesKind:
		return hexBytes(value.Bytes())
	case protoreflect.MessageKind:
		return fieldsIn(value.Message())
	case protoreflect.EnumKind:
		return int32(value.Enum())
	}
	return value.Interface()
}
