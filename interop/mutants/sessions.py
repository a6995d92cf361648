"""Defects of HELLO, proof, keepalive, close, refresh and resumption (SPEC section 6)."""

from __future__ import annotations

from typing import Final

from mutants.mutant import Mutant, mutant
from mutants.patching import Edit

HELLO: Final = "core.hello:check_hello"
TERMS: Final = "core.hello:_check_terms"
PROOF: Final = "core.neighbor_session:proof_problem"
SESSIONS: Final = "core.session:Sessions"

MUTANTS: Final[tuple[Mutant, ...]] = (
    mutant(
        "hello-of-anybody",
        "Whoever signs a HELLO is taken for the neighbour of the stream.",
        Edit(HELLO, "if sealed.signers != (neighbor.node,) or body.node != neighbor.node:", "if False:"),
        Edit("core.hello:check_transport_key", "if transport_key is not None and", "if False and"),
        kills="session.hello-of-another-node",
    ),
    mutant(
        "hello-in-any-name",
        "A HELLO may be in the name of a node that has not signed it.",
        Edit("codec.sealing:CodecSealer._signers", "if getattr(body, name) != signer:", "if False:"),
        Edit(HELLO, "if sealed.signers != (neighbor.node,) or body.node != neighbor.node:", "if False:"),
        Edit("core.hello:check_transport_key", "if transport_key is not None and", "if False and"),
        kills="session.hello-in-anothers-name",
    ),
    mutant(
        "hello-for-anybody",
        "A HELLO for another node is taken.",
        Edit(HELLO, "if body.neighbor != config.node:", "if False:"),
        kills="session.hello-for-another-node",
    ),
    mutant(
        "hello-not-checked",
        "From whom and for whom a HELLO is does not matter.",
        Edit(HELLO, "if sealed.signers != (neighbor.node,) or body.node != neighbor.node:", "if False:"),
        Edit(HELLO, "if body.neighbor != config.node:", "if False:"),
        Edit("core.hello:check_transport_key", "if transport_key is not None and", "if False and"),
        kills="session.hello-reflected",
    ),
    mutant(
        "clocks-do-not-matter",
        "A neighbour may have any clock.",
        Edit(HELLO, "if skew_ms > CLOCK_ERROR_MAX_MS:", "if False:"),
        kills="session.clock-61-s-ahead session.clock-61-s-behind",
    ),
    mutant(
        "half-the-tolerance",
        "Clocks may differ by 30 s only.",
        Edit(HELLO, "if skew_ms > CLOCK_ERROR_MAX_MS:", "if skew_ms > 30_000:"),
        kills="session.clock-within-tolerance",
    ),
    mutant(
        "any-version",
        "A HELLO without a common version is taken.",
        Edit(TERMS, "if not body.version_min <= VERSION <= body.version_max:", "if False:"),
        kills="session.version-mismatch",
    ),
    mutant(
        "own-version-alone",
        "A HELLO with later versions beside the own one is refused.",
        Edit(
            TERMS,
            "if not body.version_min <= VERSION <= body.version_max:",
            "if body.version_max != VERSION:",
        ),
        kills="session.highest-common-version",
    ),
    mutant(
        "even-bits-ignored",
        "Required features that nobody knows are ignored.",
        Edit(TERMS, "if missing:", "if False:"),
        kills="session.unknown-even-feature",
    ),
    mutant(
        "odd-bits-required",
        "Optional features that nobody knows are refused.",
        Edit(
            TERMS,
            "missing = body.features & REQUIRED_FEATURES & ~FEATURES",
            "missing = body.features & ~FEATURES",
        ),
        kills="session.unknown-odd-features",
    ),
    mutant(
        "parameters-do-not-matter",
        "A neighbour may have other network parameters.",
        Edit(TERMS, "if body.parameters != parameters:", "if False:"),
        kills="session.other-parameters",
    ),
    mutant(
        "attestation-does-not-matter",
        "A neighbour may name another attestation of the link.",
        Edit(TERMS, "if body.attestation != object_id_of(neighbor.attestation.signed):", "if False:"),
        kills="session.other-attestation",
    ),
    mutant(
        "role-does-not-matter",
        "A neighbour may call itself what it likes.",
        Edit(TERMS, "if body.role is not neighbor.role:", "if False:"),
        kills="session.other-role",
    ),
    mutant(
        "any-domain",
        "A neighbour may claim a domain where there is none.",
        Edit("core.domains:Domains.check_neighbor", "if claimed:", "if False:"),
        kills="session.unknown-domain",
    ),
    mutant(
        "old-epochs",
        "A neighbour may come with an epoch of an earlier life.",
        Edit("core.hello:check_epochs", "if body.epoch < seen_epoch:", "if False:"),
        kills="session.epoch-of-an-earlier-life",
    ),
    mutant(
        "own-epoch-forgotten",
        "It does not matter that a neighbour has seen a later life.",
        Edit("core.hello:check_epochs", "if body.last_seen_epoch > own_epoch:", "if False:"),
        kills="session.epoch-nobody-has-had",
    ),
    mutant(
        "one-nonce",
        "Every HELLO has the same nonce.",
        Edit("core.hello:own_hello", "nonce=nonce,", "nonce=bytes(32),"),
        kills="session.fresh-nonce",
    ),
    mutant(
        "nothing-seen",
        "A HELLO says that no epoch of the neighbour was ever seen.",
        Edit("core.hello:own_hello", "last_seen_epoch=last_seen_epoch,", "last_seen_epoch=0,"),
        kills="session.last-seen-epoch",
    ),
    mutant(
        "proof-by-anybody",
        "Whoever has signed a proof, it counts for the neighbour.",
        Edit(PROOF, "if sealed.signers != (session.neighbor.node,):", "if False:"),
        Edit(
            PROOF,
            "if hello is None or sealed.envelope.signatures[0].key != hello.envelope.signatures[0].key:",
            "if hello is None:",
        ),
        kills="session.proof-by-another-node session.proof-reflected",
    ),
    mutant(
        "proof-of-anything",
        "It does not matter which HELLOs a proof names.",
        Edit(PROOF, "if sealed.body != session.proof():", "if False:"),
        kills="session.proof-of-other-hellos session.proof-with-hellos-exchanged",
    ),
    mutant(
        "hello-at-any-time",
        "A HELLO is taken in every state.",
        Edit(
            f"{SESSIONS}.hello",
            "following = advance(session.state, SessionEvent.HELLO)",
            "following = SessionState.PROOF_SENT if session.state is SessionState.HELLO_SENT else session.state",
        ),
        kills="session.hello-again session.second-hello",
    ),
    mutant(
        "proof-at-any-time",
        "A proof before the HELLO ends the session with another code.",
        Edit(
            f"{SESSIONS}.proof",
            "following = advance(session.state, SessionEvent.PROOF)",
            "following = SessionState.ESTABLISHED",
        ),
        kills="session.proof-before-hello",
    ),
    mutant(
        "endless-handshakes",
        "A handshake may take any time.",
        Edit(f"{SESSIONS}._deadline_of", "return session.handshake_until_ns", "return None"),
        kills="session.silent-neighbour session.neighbour-without-proof",
    ),
    mutant(
        "no-keepalives",
        "A router that has nothing to say says nothing.",
        Edit(
            f"{SESSIONS}._keep_alive",
            "out.send(session.neighbor.node, self._sealer.seal(body).envelope)",
            "pass",
        ),
        kills="session.keepalives-come",
    ),
    mutant(
        "keepalive-clock-ignored",
        "The clock in a Keepalive is not looked at.",
        Edit(
            f"{SESSIONS}.keepalive",
            "if abs(sealed.body.clock_utc_ms - now.utc_ms) > CLOCK_ERROR_MAX_MS:",
            "if False:",
        ),
        kills="session.keepalive-of-a-wrong-clock",
    ),
    mutant(
        "keepalive-count-ignored",
        "A Keepalive may confirm frames that were never sent.",
        Edit(f"{SESSIONS}.keepalive", "if sealed.body.received_seq > session.sent_seq:", "if False:"),
        kills="session.keepalive-of-unsent-frames",
    ),
    mutant(
        "session-keys-never-end",
        "A session outlives the key of its neighbour.",
        Edit(f"{SESSIONS}._ending", "if self._key_left_ms(session, now) <= 0:", "if False:"),
        kills="session.session-key-expires",
    ),
    mutant(
        "first-session-key-for-ever",
        "A new key that a neighbour tells does not sign its frames.",
        Edit(
            "core.session_keys:SessionKeys.heard",
            "session.peer_renewed_key = sealed.body.operational_key",
            "pass",
        ),
        kills="session.new-session-key",
    ),
    mutant(
        "close-answered",
        "A Close is answered with a Close.",
        Edit(
            f"{SESSIONS}.peer_close",
            "session.state = advance(session.state, SessionEvent.CLOSE)",
            "self.close(neighbor, sealed.body.code, 'you too', out)",
        ),
        kills="session.close-is-not-answered",
    ),
    mutant(
        "restarts-not-waited-for",
        "What a neighbour told that has announced a restart is withdrawn at once.",
        Edit(
            f"{SESSIONS}.peer_close",
            "session.restart_s = min(sealed.body.restart_s, self._config.timers.retain_s)",
            "session.restart_s = 0",
        ),
        kills="session.announced-restart",
    ),
    mutant(
        "restarts-waited-for-too-long",
        "An announced restart is waited for as long as it takes.",
        Edit(
            f"{SESSIONS}.peer_close",
            "session.restart_s = min(sealed.body.restart_s, self._config.timers.retain_s)",
            "session.restart_s = 600",
        ),
        kills="session.announced-restart-too-long",
    ),
    mutant(
        "lost-sessions-keep",
        "What was heard in a session stays when it is lost.",
        Edit(
            "core.routing:Routing.neighbor_down", "for path in self._heard.drop(neighbor):", "for path in ():"
        ),
        kills="session.loss-withdraws",
    ),
    mutant(
        "end-without-begin",
        "A Refresh END needs no BEGIN.",
        Edit(
            "core.routing:Routing.hear_refresh",
            "stale = self._heard.end_refresh(neighbor)",
            "try:\n        stale = self._heard.end_refresh(neighbor)\n    except PeerError:\n        return",
        ),
        kills="session.refresh-end-alone",
    ),
    mutant(
        "nothing-swept",
        "What was not told again in a refresh stays.",
        Edit("core.routing:Routing.hear_refresh", "self._sweep(neighbor, stale, out)", "pass"),
        kills="session.refresh-sweeps",
    ),
    mutant(
        "retained-as-often-as-wanted",
        "Retained may come at any time.",
        Edit(
            "core.refresh_schedule:RefreshSchedule.retained",
            "if self._awaited.pop(neighbor, None) is None:",
            "if self._awaited.pop(neighbor, None) is None and neighbor in self._open:\n        return\n    if False:",
        ),
        kills="session.retained-comes-first",
    ),
    mutant(
        "resume-always",
        "What RESUME brings is taken without it.",
        Edit(
            "core.dispatch:_refresh",
            "if (isinstance(body, Retained) or body.kept) and not parts.sessions.resumes(neighbor):",
            "if isinstance(body, Retained) and not parts.sessions.resumes(neighbor):\n        return\n    if False:",
        ),
        kills="session.retained-without-resume",
    ),
    mutant(
        "objects-before-the-session",
        "Objects of the session are taken before it stands.",
        Edit("codec.frames:_judge", "if not REGISTRY[envelope.type].unsigned_frame:", "if False:"),
        Edit(
            "codec.sealing:CodecSealer.open_any",
            "if frame_sender is None and not row.unsigned_frame:",
            "if False:",
        ),
        Edit("core.dispatch:dispatch", "if not parts.sessions.established(neighbor):", "if False:"),
        kills="session.offer-before-established",
    ),
    mutant(
        "faults-answered",
        "A Fault is answered with a Fault.",
        Edit("router:Router._answer_fault", "elif envelope.type is not ObjectType.FAULT:", "else:"),
        Edit(
            "core.dispatch:_routing",
            "routing = parts.routing",
            "routing = parts.routing\n    if type(sealed.body).__name__ == 'Fault':\n        raise PeerError(ErrorCode.UNEXPECTED, 'no')",
        ),
        kills="session.fault-is-not-answered",
    ),
    mutant(
        "no-refresh",
        "A session begins without Refresh BEGIN.",
        Edit("core.refresh_schedule:RefreshSchedule.beginning", "return begin", "return {}"),
        kills="session.refresh-comes",
    ),
)
