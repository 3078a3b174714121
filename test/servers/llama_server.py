"""Runs llama.cpp's HTTP server on loopback until it is told to stop.

usage: llama_server.py MODEL.gguf PORT SLOTS [embeddings]
"""

import os
import signal
import sys
import threading

import xllamacpp

CONTEXT = 2048  # tokens of one slot


def main():
    model, port, slots = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    p = xllamacpp.CommonParams()
    p.model.path = model
    p.hostnames = ["127.0.0.1"]
    p.port = port
    p.n_ctx, p.n_parallel = CONTEXT * slots, slots
    p.cpuparams.n_threads = 1
    p.warmup = False
    p.endpoint_metrics = True
    if sys.argv[4:] == ["embeddings"]:
        p.embedding = True
        p.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    stopped = threading.Event()
    for s in (signal.SIGTERM, signal.SIGINT):
        signal.signal(s, lambda *_: stopped.set())
    server = xllamacpp.Server(p)
    # One write of a whole line: the server's own threads log to the same pipe.
    os.write(sys.stdout.fileno(), f"\nserving at {server.listening_address}\n".encode())
    while not stopped.wait(0.2):
        pass
    os._exit(0)  # without waiting for answers that are being made


main()
