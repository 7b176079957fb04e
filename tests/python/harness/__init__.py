"""What the end-to-end tests share: brokers, databases and tools as child processes, and bounded waiting.

Knows processes, ports and files. Knows nothing about any client library: those run in environments of their own.
"""
