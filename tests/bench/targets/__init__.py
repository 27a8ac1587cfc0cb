"""The programs that the service is compared with; each runs as `python -m tests.bench.targets.<name> PORT UPSTREAM`."""
