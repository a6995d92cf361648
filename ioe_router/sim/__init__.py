"""Many routers in one process on a virtual clock and a virtual wire: the same core, the same bytes."""
