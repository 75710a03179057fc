"""Bundles at work for many callers: REST and gRPC, versions, batches, records. No torch, ever."""
