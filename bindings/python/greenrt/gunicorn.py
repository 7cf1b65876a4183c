"""`gunicorn -k greenrt.gunicorn.Worker`: a short name for greenrt.workers.gunicorn."""

from greenrt.workers.gunicorn import Worker

__all__ = ["Worker"]
