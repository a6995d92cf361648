"""Generated from proto/ioe/v1 by `make proto`; only `ioe_router.codec` imports it."""
