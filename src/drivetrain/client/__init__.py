"""Ask a server, here or elsewhere, with numpy and the standard library alone."""
