"""The cases, one file a group; `ioe_conformance` says how to add one."""
