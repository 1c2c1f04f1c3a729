"""A voice client as small as can be: sync WebSocket, one UDP socket, a DAVE member; the TLS socket is the product's."""

import socket
import ssl
import threading
from collections import defaultdict, deque

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from clankvox.errors import WireError
from clankvox.loopback.member import DaveMember
from clankvox.shells.tls_socket import TlsSocket
from clankvox.wire import gateway_ops as ops
from clankvox.wire import ip_discovery, rtp
from clankvox.wire.gateway_ops import Op
from clankvox.wire.transport_crypto import TransportMode, open_sealed, seal

WAIT_S = 10.0
_DAVE_JSON = {
    Op.PREPARE_TRANSITION: ops.PrepareTransition,
    Op.EXECUTE_TRANSITION: ops.ExecuteTransition,
    Op.PREPARE_EPOCH: ops.PrepareEpoch,
}


class RawClient:
    """Joins on construction unless `join=False`. One thread reads the WebSocket; the test thread reads the UDP."""

    def __init__(
        self,
        discord,
        user,
        server=5,
        channel=6,
        version=9,
        mode=TransportMode.AES256_GCM,
        dave=1,
        join=True,
        codecs=None,
        **identity,
    ):
        self.user, self.server, self.channel, self.version, self.mode = user, server, channel, version, mode
        self.dave_version, self.codecs, self.identity = dave, codecs, identity
        self.token, self.session_id = identity.get("token", "token"), identity.get("session_id", f"session-{user}")
        self.endpoint, self.ca_file = discord.endpoint, discord.ca_file
        self.member = DaveMember(user, channel)
        self.seen = []
        self.last_seq = -1
        self.ssrc_users = {}
        self.udp = None
        self.key = None
        self.sequence, self.timestamp, self.nonce = 100, 1000, 0
        self._changed = threading.Condition()
        self.open()
        if join:
            self.join()

    def open(self):
        url = self.endpoint if self.endpoint.startswith("ws://") else f"wss://{self.endpoint}"
        context = ssl.create_default_context(cafile=self.ca_file) if self.ca_file else None
        if context is not None:
            context.sslsocket_class = TlsSocket  # else one handshake in fifty never ends on a busy machine
        self.ws = connect(f"{url}/?v={self.version}", ssl=context, compression=None, close_timeout=1).__enter__()
        self.close_code = None
        self._thread = threading.Thread(target=self._read, args=(self.ws,), daemon=True)
        self._thread.start()

    def join(self):
        self.identify()
        ready = self.wait(Op.READY)
        self.ssrc = ready["ssrc"]
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.settimeout(WAIT_S)
        self.udp.connect((ready["ip"], ready["port"]))
        self.udp.send(ip_discovery.build_request(self.ssrc))
        address, port = ip_discovery.parse_reply(self.udp.recv(100), self.ssrc)
        assert (address, port) == self.udp.getsockname()
        data = ops.SelectProtocolData(address=address, port=port, mode=self.mode)
        self.send(Op.SELECT_PROTOCOL, ops.SelectProtocol(protocol="udp", data=data, codecs=self.codecs))
        self.wait(Op.SESSION_DESCRIPTION)
        return self

    def identify(self, **changes):
        fields = {
            "server_id": str(self.server),
            "user_id": str(self.user),
            "session_id": self.session_id,
            "token": self.token,
            "max_dave_protocol_version": self.dave_version,
        }
        if self.version >= 9:
            fields["channel_id"] = str(self.channel)
        self.send(Op.IDENTIFY, ops.Identify(**{**fields, **self.identity, **changes}))

    def resume(self, **changes):
        fields = {
            "server_id": str(self.server),
            "channel_id": str(self.channel),
            "session_id": self.session_id,
            "token": self.token,
            "seq_ack": self.last_seq,
        }
        self.send(Op.RESUME, ops.Resume(**{**fields, **changes}))

    def send(self, op, payload):
        self.ws.send(ops.encode_json(op, payload))

    def speak(self, flags=1):
        self.send(Op.SPEAKING, ops.Speaking(speaking=flags, ssrc=self.ssrc, delay=0))

    def wait(self, op, since=0, predicate=lambda _: True):
        """Data of the first message with `op` from index `since` on."""
        found = []

        def there():
            found[:] = [data for seen, data in self.seen[since:] if seen == op and predicate(data)]
            return found

        with self._changed:
            assert self._changed.wait_for(there, WAIT_S), f"no {op!r}; seen {[seen for seen, _ in self.seen]}"
        return found[0]

    def wait_closed(self):
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive()
        return self.close_code

    def wait_until(self, predicate):
        with self._changed:
            assert self._changed.wait_for(predicate, WAIT_S)

    def wait_ready(self, version=1):
        self.wait_until(lambda: self.member.version == version and self.member.ready)

    def send_frame(self, frame, extension=b"", encrypt=True):
        payload = self.member.encrypt_opus(frame) if encrypt else frame
        clear = rtp.build_header(
            payload_type=120,
            sequence=self.sequence,
            timestamp=self.timestamp,
            ssrc=self.ssrc,
            extension_words=len(extension) // 4 if extension else None,
        )
        self.sequence += 1
        self.timestamp += 960
        self.send_packet(clear, extension + payload)

    def send_packet(self, clear, plaintext):
        self.nonce += 1
        self.udp.send(seal(self.mode, self.key, clear, plaintext, self.nonce.to_bytes(4, "big")))

    def hear(self, wanted):
        """Read `wanted` packets with payload as [(user, header, frame)]; the frame is None if it did not decrypt."""
        heard = []
        while len(heard) < wanted:
            packet = self.packet()
            if packet is None:
                continue
            header, payload = packet[0], packet[2]
            self.wait_until(lambda ssrc=header.ssrc: ssrc in self.ssrc_users)
            if payload:
                heard.append((self.ssrc_users[header.ssrc], header, self._decrypt(header.ssrc, payload)))
        return heard

    def packet(self):
        """The next RTP packet as (header, extensions, payload); None for any other datagram."""
        datagram = self.udp.recv(2048)
        if not rtp.is_rtp(datagram):
            return None
        header = rtp.parse_header(datagram)
        plaintext = open_sealed(self.mode, self.key, datagram, header.clear_bytes)
        extensions = rtp.parse_extensions(plaintext[: header.extension_bytes])
        return header, extensions, rtp.strip(header, plaintext)

    def close(self, code=1000):
        self.ws.close(code)
        if self.udp is not None:
            self.udp.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _decrypt(self, ssrc, payload):
        try:
            return self.member.decrypt(self.ssrc_users[ssrc], payload)
        except WireError:
            return None

    def _read(self, ws):
        try:
            for message in ws:
                self._take(message)
        except ConnectionClosed:
            pass
        with self._changed:
            self.close_code = ws.close_code
            self._changed.notify_all()

    def _take(self, message):
        if isinstance(message, bytes):
            self.last_seq, op, data = ops.decode_server_binary(message)
        else:
            op, data, seq = ops.decode_json(message)
            self.last_seq = self.last_seq if seq is None else seq
        with self._changed:
            answers = self._follow(op, data)
            self.seen.append((op, data))
            self._changed.notify_all()
        for answer in answers:
            if isinstance(answer.payload, bytes):
                self.ws.send(ops.encode_client_binary(answer.op, answer.payload))
            else:
                self.send(answer.op, answer.payload)

    def _follow(self, op, data):
        if op == Op.SESSION_DESCRIPTION:
            self.key = bytes(data["secret_key"])
            return self.member.start(data["dave_protocol_version"])
        if op == Op.CLIENTS_CONNECT:
            self.member.users_connected(map(int, data["user_ids"]))
        elif op == Op.CLIENT_DISCONNECT:
            self.member.user_left(int(data["user_id"]))
        elif op == Op.SPEAKING:
            self.ssrc_users[data["ssrc"]] = int(data["user_id"])
        elif op in _DAVE_JSON:
            return self.member.receive(op, ops.payload_of(ops.GatewayMessage(op, data, None), _DAVE_JSON[op]))
        elif isinstance(data, bytes):
            return self.member.receive(Op(op), data)  # a plain integer is another opcode to the member
        return []


def by_user(heard):
    """Frames of each user, in order of arrival."""
    frames = defaultdict(deque)
    for user, _, frame in heard:
        frames[user].append(frame)
    return frames
