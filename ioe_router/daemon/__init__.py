"""One node as a long-running process: configuration, start, reload, shutdown."""
