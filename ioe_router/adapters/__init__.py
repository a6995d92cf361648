"""The outside world of a router: keys, TLS, peer streams, journal, event loop. Replaceable one by one."""
