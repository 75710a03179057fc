"""Servers that others would build, each in its own process, for the benches to ask side by side. They need an environment of their
own: DRIVETRAIN_RIVALS names its Python, with fastapi, uvicorn, litserve, mlserver and onnxruntime."""
