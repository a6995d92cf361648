"""The reference implementation as a harness that answers vectors (interop/vectors/README.md)."""
