package receiver

// Trust domains (SPEC 4.10) at a receiver: whose lists and certificates count, and what a stranger
// is refused.

import (
	"bytes"
	"encoding/hex"

	"ioe.example/interop/codec"
	"ioe.example/interop/trust"
	"ioe.example/interop/wire"
)

type member struct {
	certificate *wire.MemberCertificate
	objectID    []byte
}

type metered struct {
	certificate *wire.MeterCertificate
	objectID    []byte
}

// domains are those that a router knows; nil for a router of the implicit domain.
type domains struct {
	known   map[string]*trust.Domain // by domain id in hexadecimal
	members map[string]member        // by node id in hexadecimal
	meters  map[string]metered       // by node and link
}

// Trust makes a router one of a domain, with the lists that it was configured with.
func (r *Router) Trust(lists []*codec.Opened) {
	r.domains = &domains{map[string]*trust.Domain{}, map[string]member{}, map[string]metered{}}
	for _, opened := range lists {
		list := opened.Message.(*wire.TrustList)
		name := hex.EncodeToString(list.Domain)
		if held := r.domains.known[name]; held == nil {
			r.domains.known[name] = trust.NewDomain(list, opened.ObjectID)
		} else if _, err := held.Offer(list, opened.ObjectID, list.IssuedUtcS); err != nil {
			panic(err) // a configuration that no router would start with
		}
	}
}

// Admit gives a router the certificate of a member that it knows from the beginning.
func (r *Router) Admit(opened *codec.Opened) {
	certificate := opened.Message.(*wire.MemberCertificate)
	r.domains.members[hex.EncodeToString(certificate.Node)] = member{certificate, opened.ObjectID}
}

func (r *Router) takeTrustList(list *wire.TrustList, objectID []byte) error {
	if r.domains == nil || r.domains.known[hex.EncodeToString(list.Domain)] == nil {
		return nil
	}
	taken, err := r.domains.known[hex.EncodeToString(list.Domain)].Offer(list, objectID, r.now())
	if err != nil || !taken {
		return err
	}
	for _, neighbor := range r.Neighbors {
		r.say(neighbor, wire.ObjectType_OBJECT_TYPE_TRUST_LIST)
		if !r.isMember(neighbor.Node) { // IOE-IDN-380
			r.say(neighbor, wire.ObjectType_OBJECT_TYPE_CLOSE)
		}
	}
	return nil
}

func (r *Router) takeMember(certificate *wire.MemberCertificate, objectID []byte) error {
	if r.domains == nil || r.domains.known[hex.EncodeToString(certificate.Domain)] == nil {
		return nil
	}
	if err := r.fresh(certificate.IssuedUtcS, certificate.ExpiresUtcS); err != nil {
		return err
	}
	node := hex.EncodeToString(certificate.Node)
	if held, known := r.domains.members[node]; known && certificate.Serial <= held.certificate.Serial {
		if certificate.Serial == held.certificate.Serial && !bytes.Equal(objectID, held.objectID) {
			return codec.Refuse(codec.Equivocation, "another certificate with the serial %d", certificate.Serial)
		}
		return nil
	}
	if r.domains.known[hex.EncodeToString(certificate.Domain)].VouchedUntil(certificate) <= r.now() {
		return codec.Refuse(codec.NotAMember, "its domain does not vouch for it")
	}
	r.domains.members[node] = member{certificate, objectID}
	return nil
}

// takeMeterCertificate judges a meter's certificate as that of a member (IOE-IDN-350).
func (r *Router) takeMeterCertificate(certificate *wire.MeterCertificate, objectID []byte) error {
	if r.domains == nil || r.domains.known[hex.EncodeToString(certificate.Domain)] == nil {
		return nil
	}
	if err := r.fresh(certificate.IssuedUtcS, certificate.ExpiresUtcS); err != nil {
		return err
	}
	name := hex.EncodeToString(certificate.Node) + hex.EncodeToString(certificate.Link)
	if held, known := r.domains.meters[name]; known && certificate.Serial <= held.certificate.Serial {
		if certificate.Serial == held.certificate.Serial && !bytes.Equal(objectID, held.objectID) {
			return codec.Refuse(codec.Equivocation, "another certificate with the serial %d", certificate.Serial)
		}
		return nil
	}
	if r.domains.known[hex.EncodeToString(certificate.Domain)].VouchedUntil(asMember(certificate)) <= r.now() {
		return codec.Refuse(codec.NotAMember, "its domain does not vouch for it")
	}
	r.domains.meters[name] = metered{certificate, objectID}
	return nil
}

// asMember is a meter's certificate as vouched_until reads it: removals name members, not meters.
func asMember(meter *wire.MeterCertificate) *wire.MemberCertificate {
	return &wire.MemberCertificate{Domain: meter.Domain, Serial: meter.Serial, Signers: meter.Signers, ExpiresUtcS: meter.ExpiresUtcS}
}

// fresh holds IOE-SIG-250 and IOE-SIG-260.
func (r *Router) fresh(issued, expires uint64) error {
	if err := r.issued(issued); err != nil {
		return err
	}
	if expires <= r.now() {
		return codec.Refuse(codec.Expired, "it ended at %d", expires)
	}
	return nil
}

// isMember says whether a node is a member of a known domain; everybody is, where no domain is.
func (r *Router) isMember(node []byte) bool {
	if r.domains == nil {
		return true
	}
	held, known := r.domains.members[hex.EncodeToString(node)]
	if !known {
		return false
	}
	domain := r.domains.known[hex.EncodeToString(held.certificate.Domain)]
	return domain != nil && domain.VouchedUntil(held.certificate) > r.now()
}

// takesUp holds IOE-IDN-370 and IOE-IDN-390: whether something new with this node may be taken up.
func (r *Router) takesUp(node []byte, stranger string) error {
	if !r.isMember(node) {
		return codec.Refuse(codec.NotAMember, "%s", stranger)
	}
	if r.domains == nil {
		return nil
	}
	held := r.domains.members[hex.EncodeToString(node)]
	list := r.domains.known[hex.EncodeToString(held.certificate.Domain)].InForce
	if list.ExpiresUtcS+uint64(list.GraceS) <= r.now() {
		return codec.Refuse("TRUST_STALE", "its domain's list has ended")
	}
	return nil
}

// mayForm holds IOE-IDN-410.
func (r *Router) mayForm(root []byte) bool {
	return r.domains == nil || r.isMember(root) && r.domains.members[hex.EncodeToString(root)].certificate.GridForming
}

// meterCounts holds IOE-IDN-430.
func (r *Router) meterCounts(node, link []byte) bool {
	if r.domains == nil {
		return true
	}
	held, known := r.domains.members[hex.EncodeToString(node)]
	if !known {
		return true
	}
	domain := r.domains.known[hex.EncodeToString(held.certificate.Domain)]
	if domain == nil || !domain.InForce.CertifiedMeters {
		return true
	}
	meter, certified := r.domains.meters[hex.EncodeToString(node)+hex.EncodeToString(link)]
	return certified && domain.VouchedUntil(asMember(meter.certificate)) > r.now()
}
