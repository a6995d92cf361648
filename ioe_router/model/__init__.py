"""Values that travel: identities, quantities, slots, messages and errors. Standard library only."""
