"""The kit tested on itself: the reference router passes, servers that are no routers fail as listed."""
