package codec

// Strict reading (SPEC 4.5). Protocol buffer libraries merge repeated singular fields, keep unknown
// ones and cut numbers to their width; none of that is allowed here, so the bytes are walked by hand
// and only the descriptors of the generated code are used.

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"ioe.example/interop/wire"
)

// mostElements is what IOE-SIG-160 lets any repeated field hold while it is read.
const mostElements = 1024

// Wire types of the protocol buffer encoding that this protocol uses.
const (
	wireVarint = 0
	wireBytes  = 2
)

var objectTypeName = wire.ObjectType(0).Descriptor().FullName()

// New makes an empty message by its full name, such as "ioe.v1.Offer".
func New(message string) (proto.Message, bool) {
	kind, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName(message))
	if err != nil {
		return nil, false
	}
	return kind.New().Interface(), true
}

// Read reads bytes strictly as the named message and judges its bounds (IOE-SIG-100 to 160,
// IOE-CNV-040). Nested messages are judged with it; the signed bytes of nested envelopes are not
// opened here.
func Read(message string, data []byte) (proto.Message, error) {
	target, known := New(message)
	if !known {
		return nil, Refuse(Malformed, "there is no message %s", message)
	}
	if err := readInto(target.ProtoReflect(), data); err != nil {
		return nil, err
	}
	if err := Judge(target); err != nil {
		return nil, err
	}
	return target, nil
}

func readInto(message protoreflect.Message, data []byte) error {
	fields := message.Descriptor().Fields()
	seen := map[protoreflect.FieldNumber]bool{}
	for len(data) > 0 {
		tag, rest, err := varint(data)
		if err != nil {
			return err
		}
		number, kind := tag>>3, tag&7
		if number == 0 || number >= 1<<29 {
			return Refuse(Malformed, "field number %d in %s", number, message.Descriptor().Name())
		}
		field := fields.ByNumber(protoreflect.FieldNumber(number))
		if field == nil {
			return Refuse(Malformed, "%s has no field %d", message.Descriptor().Name(), number)
		}
		if !field.IsList() && seen[field.Number()] {
			return Refuse(Malformed, "%s occurs twice", field.Name())
		}
		seen[field.Number()] = true
		if data, err = readField(message, field, kind, rest); err != nil {
			return err
		}
	}
	return nil
}

// readField takes one field's value off data and returns what follows it.
func readField(message protoreflect.Message, field protoreflect.FieldDescriptor, kind uint64, data []byte) ([]byte, error) {
	if isNumber(field) {
		if kind == wireVarint {
			value, rest, err := number(field, data)
			if err != nil {
				return nil, err
			}
			return rest, put(message, field, value)
		}
		if kind == wireBytes && field.IsList() {
			return readPacked(message, field, data)
		}
		return nil, Refuse(Malformed, "wire type %d of %s", kind, field.Name())
	}
	if kind != wireBytes {
		return nil, Refuse(Malformed, "wire type %d of %s", kind, field.Name())
	}
	content, rest, err := delimited(data)
	if err != nil {
		return nil, err
	}
	value, err := contentOf(message, field, content)
	if err != nil {
		return nil, err
	}
	return rest, put(message, field, value)
}

func readPacked(message protoreflect.Message, field protoreflect.FieldDescriptor, data []byte) ([]byte, error) {
	content, rest, err := delimited(data)
	if err != nil {
		return nil, err
	}
	for len(content) > 0 {
		var value protoreflect.Value
		if value, content, err = number(field, content); err != nil {
			return nil, err
		}
		if err := put(message, field, value); err != nil {
			return nil, err
		}
	}
	return rest, nil
}

func contentOf(message protoreflect.Message, field protoreflect.FieldDescriptor, content []byte) (protoreflect.Value, error) {
	switch field.Kind() {
	case protoreflect.StringKind:
		for _, letter := range content {
			if letter < 0x20 || letter > 0x7e {
				return protoreflect.Value{}, Refuse(Malformed, "byte %#x in %s", letter, field.Name())
			}
		}
		return protoreflect.ValueOfString(string(content)), nil
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes(append([]byte{}, content...)), nil
	}
	var nested protoreflect.Value
	if field.IsList() {
		nested = message.NewField(field).List().NewElement()
	} else {
		nested = message.NewField(field)
	}
	return nested, readInto(nested.Message(), content)
}

func put(message protoreflect.Message, field protoreflect.FieldDescriptor, value protoreflect.Value) error {
	if !field.IsList() {
		message.Set(field, value)
		return nil
	}
	list := message.Mutable(field).List()
	if list.Len() == mostElements {
		return Refuse(OutOfBounds, "more than %d of %s", mostElements, field.Name())
	}
	list.Append(value)
	return nil
}

func isNumber(field protoreflect.FieldDescriptor) bool {
	switch field.Kind() {
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.MessageKind:
		return false
	}
	return true
}

// number reads one varint and narrows it to the declared type (IOE-SIG-130, 140).
func number(field protoreflect.FieldDescriptor, data []byte) (protoreflect.Value, []byte, error) {
	raw, rest, err := varint(data)
	if err != nil {
		return protoreflect.Value{}, nil, err
	}
	switch field.Kind() {
	case protoreflect.BoolKind:
		if raw > 1 {
			return protoreflect.Value{}, nil, Refuse(Malformed, "%s is %d", field.Name(), raw)
		}
		return protoreflect.ValueOfBool(raw == 1), rest, nil
	case protoreflect.Uint32Kind:
		if raw > 1<<32-1 {
			return protoreflect.Value{}, nil, Refuse(Malformed, "%s is %d", field.Name(), raw)
		}
		if _, registered := wire.ErrorCode_name[int32(raw)]; field.Name() == "code" && !registered {
			return protoreflect.Value{}, nil, Refuse(Malformed, "error code %d", raw)
		}
		return protoreflect.ValueOfUint32(uint32(raw)), rest, nil
	case protoreflect.Uint64Kind:
		return protoreflect.ValueOfUint64(raw), rest, nil
	case protoreflect.Sint64Kind:
		return protoreflect.ValueOfInt64(int64(raw>>1) ^ -int64(raw&1)), rest, nil
	case protoreflect.EnumKind:
		value, err := enumOf(field, raw)
		return value, rest, err
	}
	return protoreflect.Value{}, nil, Refuse(Malformed, "%s is of a kind that is not used", field.Name())
}

func enumOf(field protoreflect.FieldDescriptor, raw uint64) (protoreflect.Value, error) {
	registered := raw < 1<<31 && field.Enum().Values().ByNumber(protoreflect.EnumNumber(raw)) != nil
	if !registered {
		code := Malformed
		if field.Enum().FullName() == objectTypeName {
			code = UnknownType
		}
		return protoreflect.Value{}, Refuse(code, "%s has no number %d", field.Enum().Name(), raw)
	}
	return protoreflect.ValueOfEnum(protoreflect.EnumNumber(raw)), nil
}

// varint takes a number of one to ten bytes; padding is legal, more than 64 bits are not.
func varint(data []byte) (uint64, []byte, error) {
	var value uint64
	for i, part := range data {
		if i == 9 && part > 1 {
			break
		}
		value |= uint64(part&0x7f) << (7 * i)
		if part < 0x80 {
			return value, data[i+1:], nil
		}
	}
	return 0, nil, Refuse(Malformed, "a number is cut short or too long")
}

func delimited(data []byte) (content, rest []byte, err error) {
	length, rest, err := varint(data)
	if err != nil {
		return nil, nil, err
	}
	if length > uint64(len(rest)) {
		return nil, nil, Refuse(Malformed, "a length of %d with %d bytes left", length, len(rest))
	}
	return rest[:length], rest[length:], nil
}
