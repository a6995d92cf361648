package names

// Digests of what is retained (6.10), in 64 groups of origins.

import (
	"bytes"
	"slices"
)

const groups = 64

// Item is a path (its hash) or an offer (its object id) of an origin.
type Item struct {
	Origin []byte
	Name   []byte // 0x00 || path hash, or 0x01 || object id
}

// Digests is the body of a Retained; empty when there is no item.
func Digests(items []Item) []byte {
	if len(items) == 0 {
		return nil
	}
	var byGroup [groups][][]byte
	for _, item := range items {
		group := item.Origin[0] / 4
		byGroup[group] = append(byGroup[group], item.Name)
	}
	var digests []byte
	for _, names := range byGroup {
		slices.SortFunc(names, bytes.Compare)
		digests = append(digests, hash([]byte("IOE1 retained"), bytes.Join(names, nil))...)
	}
	return digests
}

// Kept is the set of groups whose digests are equal: what may be set in `kept` at most (IOE-SES-280).
func Kept(mine, theirs []byte) uint64 {
	if len(mine) != 32*groups || len(theirs) != 32*groups {
		return 0
	}
	kept := uint64(0)
	for group := range groups {
		if bytes.Equal(mine[32*group:32*group+32], theirs[32*group:32*group+32]) {
			kept |= 1 << group
		}
	}
	return kept
}
