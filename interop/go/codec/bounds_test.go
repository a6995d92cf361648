package codec

import (
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"ioe.example/interop/wire"
)

func everyMessage(visit func(protoreflect.MessageDescriptor)) {
	for _, file := range []protoreflect.FileDescriptor{
		wire.File_ioe_v1_discovery_proto, wire.File_ioe_v1_domain_proto, wire.File_ioe_v1_envelope_proto,
		wire.File_ioe_v1_grid_proto, wire.File_ioe_v1_reservation_proto, wire.File_ioe_v1_routing_proto,
		wire.File_ioe_v1_settlement_proto,
	} {
		for i := range file.Messages().Len() {
			visit(file.Messages().Get(i))
		}
	}
}

// Every field that proto/ declares has a bound in SPEC.md, and SPEC.md bounds no other.
func TestEveryFieldHasABound(t *testing.T) {
	declared := 0
	everyMessage(func(message protoreflect.MessageDescriptor) {
		for i := range message.Fields().Len() {
			declared++
			if _, bounded := bounds[message.Fields().Get(i).FullName()]; !bounded {
				t.Errorf("SPEC.md has no bound of %s", message.Fields().Get(i).FullName())
			}
		}
	})
	if declared != len(bounds) {
		t.Errorf("proto/ declares %d fields, SPEC.md bounds %d", declared, len(bounds))
	}
}

// The registry of 4.4 has the types of proto/, with messages that exist and signers that they name.
func TestRegistryFitsTheMessages(t *testing.T) {
	if len(objects) != len(wire.ObjectType_name)-1 {
		t.Errorf("%d types here, %d in proto/", len(objects), len(wire.ObjectType_name)-1)
	}
	for kind, entry := range objects {
		message, known := New(entry.message)
		if _, declared := wire.ObjectType_name[int32(kind)]; !declared || !known {
			t.Errorf("type %d: %s", kind, entry.message)
			continue
		}
		for _, field := range entry.fields {
			if message.ProtoReflect().Descriptor().Fields().ByName(protoreflect.Name(field)) == nil {
				t.Errorf("%s has no %s", entry.message, field)
			}
		}
	}
}

// Figures are read as the tables write them.
func TestFigures(t *testing.T) {
	for text, want := range map[string]string{
		"96": "96", "2^40": "1099511627776", "2^53-1": "9007199254740991", "-10^12": "-1000000000000", "-2^62": "-4611686018427387904",
	} {
		if got := figure(text); got == nil || got.String() != want {
			t.Errorf("%s is %v", text, got)
		}
	}
}
