"""Generated gRPC stubs of proto/ioe/v1/service.proto by `make proto`; needs the extra `node`."""
