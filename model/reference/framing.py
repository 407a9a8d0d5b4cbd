"""Hostile bytes (MET): frames that no well-behaved client sends.

Source: SocketServer.scala, RequestHeader.java.
"""
