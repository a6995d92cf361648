package node

// What a node of a zone tells its RADIAL parent (SPEC 11.2): its own connection limits.

import (
	"ioe.example/interop/wire"
)

const limitFor = 86_400 // s, at most 172 800 (IOE-GRD-020)

// Report tells the parent what this node's own devices may take and give, watt.
func (s *Session) Report(importW, exportW uint64) error {
	now := s.Clock.Seconds()
	limit, err := s.seal(wire.ObjectType_OBJECT_TYPE_CONNECTION_LIMIT, &wire.ConnectionLimit{Node: s.Own.Node, Serial: now,
		ImportW: importW, ExportW: exportW, IssuedUtcS: now, ExpiresUtcS: now + limitFor})
	if err != nil {
		return err
	}
	report := &wire.ZoneReport{Limits: []*wire.SignedEnvelope{limit}}
	return s.Say(unsigned(wire.ObjectType_OBJECT_TYPE_ZONE_REPORT, report))
}
