"""`python -m ioe_conformance`."""

from ioe_conformance.cli import main

raise SystemExit(main())
