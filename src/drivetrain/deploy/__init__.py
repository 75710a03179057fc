"""What other systems need to run the server, as files: containers, Kubernetes, KServe, Triton, Spaces, Binder. No torch, ever."""
