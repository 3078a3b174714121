"""Runs PostgreSQL with pgvector in a folder until its input ends.

usage: pgvector_server.py FOLDER
"""

import sys

import pgserver

server = pgserver.get_server(sys.argv[1])
print(server.get_uri(), flush=True)
sys.stdin.read()
server.cleanup()
