"""Fetch sessions (MET): incremental fetches.

Source: FetchSession.scala; KIP-227.
"""
