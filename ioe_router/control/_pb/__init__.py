"""Generated from proto/ioe/control/v1 by `make proto`; needs the extra `node`."""
