"""The wire: framing, codecs, dispatch and the handlers of each family of requests, on asyncio."""
