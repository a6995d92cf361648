// Command ioe-session holds one session with a router and makes one reservation in it.
//
//	ioe-session init   --network NAME --dir DIR          makes keys and DIR/node.pub
//	ioe-session attest --network NAME --dir DIR FILE     signs the link attestation FILE, too
//	ioe-session run    --dir DIR --neighbor NODE.pub --attestation FILE --address HOST:PORT ...
//
// run dials, holds the handshake, hears an offer, and goes through HOLD, GRANT, COMMIT, COMMITTED,
// RECEIPT, OUTCOME and RELEASE; it ends with 0 when each answer was as SPEC.md says, else with 1 and
// a sentence. What it says and hears goes to standard error, a summary in JSON to standard output.
package main

import (
	"fmt"
	"os"
)

func main() {
	commands := map[string]func([]string) error{"init": initialise, "attest": attest, "run": run}
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: ioe-session init|attest|run [options]; ioe-session run -h lists them")
		os.Exit(2)
	}
	if err := commands[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintf(os.Stderr, "ioe-session: %v\n", err)
		os.Exit(1)
	}
}
