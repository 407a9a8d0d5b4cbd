"""ApiVersions (MET): what a broker says it offers.

Source: ApiVersionsRequest.java; KIP-511.
"""
