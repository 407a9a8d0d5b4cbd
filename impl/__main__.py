"""`python -m impl`: the same command as `impl.server.cli:serve`, for a checkout without an installation."""

from impl.server.cli import serve

if __name__ == "__main__":
    serve()
