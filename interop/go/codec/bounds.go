package codec

// The bounds of single fields (SPEC 2.2): fields.tsv holds the "Bounds" column of every message
// table, copied out of SPEC.md by cmd/spec-tables; here each entry becomes a check.

import (
	_ "embed"
	"fmt"
	"math/big"
	"regexp"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"ioe.example/interop/wire"
)

//go:embed fields.tsv
var fieldTable string

// bound is what one field has to keep.
type bound struct {
	kind     string         // "", "number", "bytes", "elements", "message", "type"
	low      *big.Int       // of a number, a length or a count
	high     *big.Int       //
	absent   bool           // absence is allowed beside the bound
	envelope map[int32]bool // object types that a nested envelope may have; nil for any
}

var bounds = loadBounds()

var (
	rangeText  = regexp.MustCompile(`^(-?[0-9^-]+?)\.\.(-?[0-9^]+(?:-1)?)( bytes| elements)?$`)
	singleText = regexp.MustCompile(`^([0-9]+)( bytes)?$`)
)

func loadBounds() map[protoreflect.FullName]bound {
	table := map[protoreflect.FullName]bound{}
	for _, line := range strings.Split(strings.TrimSpace(fieldTable), "\n") {
		cells := strings.Split(line, "\t")
		name := protoreflect.FullName("ioe.v1." + cells[0] + "." + cells[1])
		entry, err := parseBound(cells[2])
		if err != nil {
			panic(fmt.Sprintf("fields.tsv, %s: %v", name, err))
		}
		table[name] = entry
	}
	return table
}

func parseBound(text string) (bound, error) {
	rest, absent := strings.CutPrefix(text, "absent, or ")
	if !absent {
		rest, absent = strings.CutPrefix(text, "0 or ")
	}
	entry := bound{absent: absent}
	if names, nested := strings.CutSuffix(rest, " envelope"); nested {
		entry.kind, entry.envelope = "message", map[int32]bool{}
		for _, name := range strings.Split(names, ", ") {
			entry.envelope[wire.ObjectType_value["OBJECT_TYPE_"+name]] = true
		}
		return entry, nil
	}
	switch {
	case rest == "-":
		return entry, nil
	case rest == "message":
		entry.kind = "message"
		return entry, nil
	case strings.HasPrefix(rest, "registered"):
		entry.kind = "type"
		return entry, nil
	}
	if match := rangeText.FindStringSubmatch(rest); match != nil {
		entry.low, entry.high, entry.kind = figure(match[1]), figure(match[2]), kindOf(match[3])
	} else if match := singleText.FindStringSubmatch(rest); match != nil {
		entry.low, entry.high, entry.kind = figure(match[1]), figure(match[1]), kindOf(match[2])
	}
	if entry.low == nil || entry.high == nil {
		return entry, fmt.Errorf("no bound is written as %q", text)
	}
	return entry, nil
}

func kindOf(unit string) string {
	if unit == "" {
		return "number"
	}
	return strings.TrimSpace(unit)
}

// figure reads numbers as the tables write them: 96, 2^40, 2^53-1, -10^12.
func figure(text string) *big.Int {
	digits, less := strings.CutSuffix(text, "-1")
	digits, negative := strings.CutPrefix(digits, "-")
	base, exponent, power := strings.Cut(digits, "^")
	value, ok := new(big.Int).SetString(base, 10)
	if !ok {
		return nil
	}
	if power {
		times, ok := new(big.Int).SetString(exponent, 10)
		if !ok {
			return nil
		}
		value.Exp(value, times, nil)
	}
	if less {
		value.Sub(value, big.NewInt(1))
	}
	if negative {
		value.Neg(value)
	}
	return value
}

// Judge holds a message, with all messages nested in it, against its bounds: each field by its
// table, then what several fields have to keep together.
func Judge(message proto.Message) error {
	return judge(message.ProtoReflect())
}

func judge(message protoreflect.Message) error {
	fields := message.Descriptor().Fields()
	for i := range fields.Len() {
		if err := judgeField(message, fields.Get(i)); err != nil {
			return err
		}
	}
	return judgeTogether(message.Interface())
}

func judgeField(message protoreflect.Message, field protoreflect.FieldDescriptor) error {
	entry, value := bounds[field.FullName()], message.Get(field)
	if field.IsList() {
		return judgeList(field, entry, value.List())
	}
	if field.Kind() == protoreflect.MessageKind {
		if !message.Has(field) {
			if entry.absent {
				return nil
			}
			return Refuse(OutOfBounds, "%s is missing", field.FullName())
		}
		return judgeNested(field, entry, value.Message())
	}
	return judgeScalar(field, entry, value)
}

func judgeList(field protoreflect.FieldDescriptor, entry bound, list protoreflect.List) error {
	if !entry.holds(int64(list.Len())) {
		return Refuse(OutOfBounds, "%d elements of %s", list.Len(), field.FullName())
	}
	if field.Kind() != protoreflect.MessageKind {
		return nil
	}
	for i := range list.Len() {
		if err := judgeNested(field, entry, list.Get(i).Message()); err != nil {
			return err
		}
	}
	return nil
}

func judgeNested(field protoreflect.FieldDescriptor, entry bound, message protoreflect.Message) error {
	if envelope, isEnvelope := message.Interface().(*wire.SignedEnvelope); isEnvelope && entry.envelope != nil {
		if !entry.envelope[int32(envelope.GetType())] {
			return Refuse(OutOfBounds, "%s holds a %s", field.FullName(), envelope.GetType())
		}
	}
	return judge(message)
}

func judgeScalar(field protoreflect.FieldDescriptor, entry bound, value protoreflect.Value) error {
	size := int64(0)
	switch field.Kind() {
	case protoreflect.StringKind:
		size = int64(len(value.String()))
	case protoreflect.BytesKind:
		size = int64(len(value.Bytes()))
	case protoreflect.BoolKind:
		return nil
	case protoreflect.EnumKind:
		if entry.kind == "type" && value.Enum() == 0 {
			return Refuse(OutOfBounds, "an envelope without type")
		}
		size = int64(value.Enum())
	case protoreflect.Sint64Kind:
		size = value.Int()
	default:
		if high := new(big.Int).SetUint64(value.Uint()); entry.high != nil && (high.Cmp(entry.high) > 0 || high.Cmp(entry.low) < 0) {
			return Refuse(OutOfBounds, "%s is %d", field.FullName(), value.Uint())
		}
		return nil
	}
	if size == 0 && entry.absent || entry.holds(size) {
		return nil
	}
	if field.FullName() == "ioe.v1.SignedEnvelope.signed" {
		return Refuse(TooLarge, "%d signed bytes", size)
	}
	return Refuse(OutOfBounds, "%s: %d", field.FullName(), size)
}

func (b bound) holds(size int64) bool {
	if b.low == nil {
		return true
	}
	value := big.NewInt(size)
	return value.Cmp(b.low) >= 0 && value.Cmp(b.high) <= 0
}
