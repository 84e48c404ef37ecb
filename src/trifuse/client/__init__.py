"""Client library for a Triton server: gRPC and HTTP, blocking and asyncio, one set of errors. No torch."""

from trifuse.client.encoding import Answer
from trifuse.client.triton import AsyncTritonClient, TritonClient

__all__ = ["Answer", "AsyncTritonClient", "TritonClient"]
