package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"ioe.example/interop/names"
	"ioe.example/interop/node"
	"ioe.example/interop/slots"
	"ioe.example/interop/wire"
)

// options of run; the network's parameters default to those of examples/two-nodes.
type options struct {
	dir, neighbor, attestation, address string
	floors                              string
	parameters                          names.Parameters
	energyJ                             uint64
	priceLimit                          int64
	offset, patience                    time.Duration
	keep                                bool
}

func parse(arguments []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("run", flag.ExitOnError)
	flags.StringVar(&o.dir, "dir", "", "folder of the keys")
	flags.StringVar(&o.neighbor, "neighbor", "", "the neighbour's node.pub")
	flags.StringVar(&o.attestation, "attestation", "", "the link, signed by both ends")
	flags.StringVar(&o.address, "address", "", "the neighbour's peer port, host:port")
	flags.StringVar(&o.parameters.Currency, "currency", "EUR", "network parameter")
	flags.Uint64Var(&o.parameters.SlotS, "slot-s", 300, "network parameter")
	flags.Int64Var(&o.parameters.ReferencePriceMicro, "reference-price", 150000, "network parameter")
	flags.StringVar(&o.floors, "floors", "300000,200000", "network parameter: floor prices, or empty")
	flags.Uint64Var(&o.parameters.LinkStateSteps, "link-state-steps", 16, "network parameter")
	flags.Uint64Var(&o.parameters.VoltageMinMicroPu, "voltage-min", 900000, "network parameter")
	flags.Uint64Var(&o.parameters.VoltageMaxMicroPu, "voltage-max", 1100000, "network parameter")
	flags.Uint64Var(&o.parameters.VoltageGuardMicroPu, "voltage-guard", 5000, "network parameter")
	flags.Uint64Var(&o.parameters.PreemptionGap, "preemption-gap", 0, "network parameter")
	flags.Uint64Var(&o.parameters.PreemptionGraceS, "preemption-grace-s", 30, "network parameter")
	flags.Uint64Var(&o.energyJ, "energy-j", 1000000, "energy to ask for, joules")
	flags.Int64Var(&o.priceLimit, "price-limit", 400000, "most to pay, micro-units per kWh")
	flags.DurationVar(&o.offset, "clock-offset", 0, "added to UTC, as at the neighbour")
	flags.DurationVar(&o.patience, "patience", 6*time.Minute, "longest wait for a slot that can be asked for")
	flags.BoolVar(&o.keep, "leave-committed", false, "do not release the reservation at the end")
	if err := flags.Parse(arguments); err != nil {
		return o, err
	}
	for _, floor := range strings.FieldsFunc(o.floors, func(r rune) bool { return r == ',' }) {
		price, err := strconv.ParseInt(floor, 10, 64)
		if err != nil {
			return o, fmt.Errorf("--floors: %q is no price", floor)
		}
		o.parameters.FloorsMicro = append(o.parameters.FloorsMicro, price)
	}
	if o.dir == "" || o.neighbor == "" || o.attestation == "" || o.address == "" {
		return o, errors.New("run needs --dir, --neighbor, --attestation and --address")
	}
	return o, nil
}

// summary is what run writes to standard output.
type summary struct {
	Session     string   `json:"session"`
	Reservation string   `json:"reservation"`
	SlotUtcS    uint64   `json:"slot_utc_s"`
	Phase       string   `json:"phase"`
	EnergyJ     uint64   `json:"energy_j"`
	FarPrice    int64    `json:"far_price_micro_per_kwh"`
	NearPrice   int64    `json:"near_price_micro_per_kwh"`
	AmountMicro int64    `json:"amount_micro"`
	Outcomes    []string `json:"outcomes"`
}

func run(arguments []string) error {
	o, err := parse(arguments)
	if err != nil {
		return err
	}
	config, err := configure(o)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), o.patience+2*time.Minute)
	defer cancel()
	session, err := node.Establish(ctx, o.address, config)
	if err != nil {
		return err
	}
	found, err := trade(ctx, session, o)
	if err != nil {
		return errors.Join(err, session.Close(""))
	}
	if err := session.Close("SHUTTING_DOWN"); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(found)
}

func configure(o options) (node.Config, error) {
	own, err := node.Load(o.dir)
	if err != nil {
		return node.Config{}, err
	}
	neighbor, err := node.ReadNodePub(o.neighbor)
	if err != nil {
		return node.Config{}, err
	}
	attestation, err := node.ReadAttestation(o.attestation)
	if err != nil {
		return node.Config{}, err
	}
	o.parameters.NetworkID = own.NetworkID
	clock := node.Clock{Offset: o.offset}
	return node.Config{Own: own, Neighbor: neighbor, Parameters: o.parameters, Attestation: attestation,
		Role: wire.Role_ROLE_SIBLING, Epoch: clock.Seconds(), Clock: clock, Log: logTo(clock)}, nil
}

func logTo(clock node.Clock) func(string, ...any) {
	return func(format string, values ...any) {
		now := time.UnixMilli(int64(clock.Milliseconds())).UTC().Format("15:04:05.000")
		fmt.Fprintf(os.Stderr, now+" "+format+"\n", values...)
	}
}

// trade waits for an offer and a slot that can be asked for, and goes through one reservation.
func trade(ctx context.Context, s *node.Session, o options) (summary, error) {
	if s.Link.Kind == wire.LinkKind_LINK_KIND_RADIAL {
		if err := s.Report(o.energyJ, 0); err != nil {
			return summary{}, err
		}
	}
	slot, phase, err := awaitSlot(ctx, s, o.patience)
	if err != nil {
		return summary{}, err
	}
	path, offer := s.Choose(slot)
	s.Log("slot %d is in %s; offer %d at %d micro-units per kWh", slot, phase, offer.OfferNo, offer.Runs[0].PriceMicroPerKwh)
	b, err := s.Hold(node.Want{SlotUtc: slot, EnergyJ: o.energyJ, PriceLimit: o.priceLimit}, path, offer)
	if err != nil {
		return summary{}, err
	}
	if err := s.Granted(ctx, b); err != nil {
		return summary{}, err
	}
	if err := s.Commit(ctx, b); err != nil {
		return summary{}, err
	}
	found := summary{hex.EncodeToString(s.ID), hex.EncodeToString(b.ID), slot, string(phase), o.energyJ,
		b.FarPrice, b.NearPrice, b.AmountMicro, nil}
	outcome, err := s.Outcome(ctx, b)
	if err != nil {
		return found, err
	}
	found.Outcomes = append(found.Outcomes, stateName(outcome))
	if o.keep {
		return found, nil
	}
	outcome, err = s.Release(ctx, b)
	if err != nil {
		return found, err
	}
	found.Outcomes = append(found.Outcomes, stateName(outcome))
	return found, nil
}

func stateName(outcome *wire.Outcome) string {
	return outcome.State.String()[len("RESERVATION_STATE_"):]
}

// awaitSlot hears until the neighbour offers energy in a slot for which a HOLD may be sent.
func awaitSlot(ctx context.Context, s *node.Session, patience time.Duration) (uint64, slots.Phase, error) {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	slotS, bands := s.Parameters.SlotS, uint64(len(s.Parameters.FloorsMicro))+1
	for {
		now := s.Clock.Seconds()
		slot := now/slotS*slotS + slotS
		phase, band := slots.PhaseOf(slot, slotS, bands, now)
		lastBand := phase == slots.Bands && uint64(band) == bands-1
		if path, _ := s.Choose(slot); path != nil && (lastBand || slots.MayHold(phase) && phase != slots.Bands) {
			return slot, phase, nil
		}
		if err := s.HearFor(limited, time.Second); err != nil {
			return 0, "", fmt.Errorf("no slot could be asked for: %w", err)
		}
	}
}
