"""What a product is. Python's standard library only; server.mjs is the same service for machines without it."""

import http.client
import json
import os
import re
import signal
import socketserver
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler

PASSED_ON = ("x-request-id", "traceparent", "tracestate", "end-user")
CALL_TIMEOUT_SECONDS = 5
DRAIN_TIMEOUT_SECONDS = 10
TITLES = ("Shuttle", "Reed", "Warp beam", "Treadle", "Bobbin")

IDENTITY = {
    "service": "details",
    "version": os.environ.get("SERVICE_VERSION", "v1"),
    "instance": os.environ.get("INSTANCE", "details-%d" % os.getpid()),
}

in_flight = 0
draining = False
changed = threading.Condition()
local = threading.local()


class CallError(Exception):
    pass


def get(base, path, headers):
    """One GET over this thread's kept connection, tried once more when that one had been closed while idle."""
    url = urllib.parse.urlsplit(base)
    while True:
        kept = getattr(local, "connection", None)
        connection = kept or http.client.HTTPConnection(url.hostname, url.port or 80, timeout=CALL_TIMEOUT_SECONDS)
        local.connection = connection
        try:
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            local.connection = None
            if kept is None or isinstance(error, TimeoutError):
                raise


def call(service, path, incoming, calls):
    base = os.environ.get(service.upper() + "_URL")
    if not base:
        raise CallError("%s: %s_URL is not set" % (service, service.upper()))
    headers = {name: incoming[name] for name in PASSED_ON if incoming[name] is not None}
    try:
        status, text = get(base, path, headers)
    except (OSError, http.client.HTTPException) as error:
        calls.append({"service": service, "error": str(error)})
        raise CallError("%s: %s" % (service, error)) from error
    try:
        body = json.loads(text)
    except ValueError:
        body = {"error": text[:200].decode("utf-8", "replace")}
    calls.append(
        {
            "service": body.get("service", service),
            "version": body.get("version"),
            "instance": body.get("instance"),
            "status": status,
            "calls": body.get("calls", []),
        }
    )
    if status != 200:
        raise CallError("%s: answered %d %s" % (service, status, body.get("error", "")))
    return body


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave in one write

    def do_GET(self):
        global in_flight
        with changed:
            in_flight += 1
        try:
            self.serve()
        finally:
            with changed:
                in_flight -= 1
                changed.notify_all()

    do_HEAD = do_GET

    def serve(self):
        path = urllib.parse.urlsplit(self.path).path
        calls = []
        if path == "/healthz":
            self.answer(503 if draining else 200, {}, calls)
            return
        match = re.fullmatch(r"/details/(\d{1,9})", path)
        if match is None:
            self.answer(404, {"error": "no such page: " + path}, calls)
            return
        try:
            stock = call("inventory", "/inventory/" + match.group(1), self.headers, calls)
        except CallError as error:
            self.answer(502, {"error": str(error)}, calls)
            return
        title = TITLES[int(match.group(1)) % len(TITLES)]
        self.answer(200, {"title": title, "language": "python", "inStock": stock.get("inStock")}, calls)

    def answer(self, status, fields, calls):
        path = urllib.parse.urlsplit(self.path).path
        body = json.dumps({**IDENTITY, "path": path, **fields, "calls": calls}).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.send_header("x-served-by", "%(service)s/%(version)s/%(instance)s" % IDENTITY)
        if draining:
            self.send_header("connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request, client_address):
        # A caller that went away is not worth a stack trace.
        error = sys.exc_info()[1]
        if not isinstance(error, ConnectionError):
            super().handle_error(request, client_address)


def main():
    global draining
    port = os.environ.get("PORT", "")
    if not port.isdigit() or int(port) > 65535:
        sys.exit("details: PORT must be a port number, got %r" % port)
    server = Server(("127.0.0.1", int(port)), Handler)
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    signal.signal(signal.SIGINT, lambda *_: stopped.set())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(
        "details %(version)s (%(instance)s) listens on" % IDENTITY,
        "%s:%d" % server.server_address,
        flush=True,
    )
    stopped.wait()
    draining = True
    server.shutdown()
    server.server_close()
    with changed:
        finished = changed.wait_for(lambda: in_flight == 0, DRAIN_TIMEOUT_SECONDS)
    sys.stdout.flush()
    os._exit(0 if finished else 1)


main()
