"""Which partition a key goes to (KEY): murmur2, and what clients do without a key.

Source: Utils.murmur2, BuiltInPartitioner; KIP-480, KIP-794.
"""
