"""The outside world of a router: keys, TLS, peer streams, journal, event loop. Replaceable one by one."""

import os

# Nothing older than TLS 1.3, see tls.py; for the whole process, before gRPC is imported.
os.environ["GRPC_SSL_CIPHER_SUITES"] = "ECDHE-PSK-CHACHA20-POLY1305"
