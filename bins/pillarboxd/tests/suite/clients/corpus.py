"""Every one of some messages, appended over IMAP, comes back byte-identical over IMAP and POP3; and where it can be
submitted, comes back with nothing changed but the header fields that a submission server adds.

Arguments: a JSON object with ports, ca, login, password, files. The libraries of the standard library mend line
ends on the way, so this speaks the protocols itself. Prints a line of counts.
"""
import base64
import json
import pathlib
import re
import socket
import ssl
import sys

given = json.loads(sys.argv[1])
ports, login, password = given["ports"], given["login"], given["password"]
context = ssl.create_default_context(cafile=given["ca"])
HOST = "localhost"
ADDED = {b"return-path", b"received", b"date", b"message-id"}


class Wire:
    def __init__(self, port):
        self.socket = context.wrap_socket(socket.create_connection((HOST, port), 30), server_hostname=HOST)
        self.file = self.socket.makefile("rb")

    def send(self, data):
        self.socket.sendall(data)

    def line(self):
        line = self.file.readline()
        assert line.endswith(b"\r\n"), f"the connection ended with {line!r}"
        return line[:-2]

    def say(self, text):
        self.send(text + b"\r\n")


class Imap(Wire):
    def __init__(self):
        super().__init__(ports["imaps"])
        self.line()
        self.command(f'LOGIN "{login}" "{password}"'.encode())

    def answer(self, tag):
        """Untagged answers, each as its lines and literals."""
        untagged = []
        while True:
            parts = [self.line()]
            while match := re.search(rb"\{(\d+)\}$", parts[-1]):
                parts += [self.file.read(int(match[1])), self.line()]
            if parts[0].startswith(tag + b" "):
                assert parts[0].startswith(tag + b" OK"), parts[0]
                return untagged
            untagged.append(parts)

    def command(self, text):
        self.say(b"x " + text)
        return self.answer(b"x")

    def append(self, mailbox, message):
        self.say(b"x APPEND " + mailbox + b" {%d}" % len(message))
        assert self.line().startswith(b"+")
        self.send(message + b"\r\n")
        self.answer(b"x")

    def body(self, number):
        for parts in self.command(b"FETCH %d (BODY.PEEK[])" % number):
            if len(parts) > 2:
                return parts[1]
        raise AssertionError(f"no body for message {number}")


class Pop(Wire):
    def __init__(self):
        super().__init__(ports["pop3s"])
        self.ok()
        self.say(b"USER " + login.encode())
        self.ok()
        self.say(b"PASS " + password.encode())
        self.ok()

    def ok(self):
        line = self.line()
        assert line.startswith(b"+OK"), line
        return line

    def body(self, number):
        self.say(b"RETR %d" % number)
        self.ok()
        body = b""
        while (line := self.file.readline()) != b".\r\n":
            assert line, "the connection ended in a message"
            body += line[1:] if line.startswith(b".") and (not body or body.endswith(b"\r\n")) else line
        return body


class Submission(Wire):
    def __init__(self):
        super().__init__(ports["submissions"])
        self.reply(b"220")
        self.say(b"EHLO corpus.example.org")
        self.reply(b"250")
        self.say(b"AUTH PLAIN " + base64.b64encode(f"\0{login}\0{password}".encode()))
        self.reply(b"235")

    def reply(self, code):
        while True:
            line = self.line()
            if line[3:4] != b"-":
                assert line.startswith(code), line
                return line

    def submit(self, message):
        for command, code in [
            (b"MAIL FROM:<" + login.encode() + b"> BODY=8BITMIME", b"250"),
            (b"RCPT TO:<" + login.encode() + b">", b"250"),
            (b"DATA", b"354"),
        ]:
            self.say(command)
            self.reply(code)
        self.send(re.sub(rb"(?m)^\.", b"..", message) + b".\r\n")
        self.reply(b"250")


def submittable(message):
    """What DATA can carry unchanged: lines of at most 998 octets, ended by CRLF, without CR, LF or NUL inside."""
    return (
        message.endswith(b"\r\n")
        and not re.search(rb"\r(?!\n)|(?<!\r)\n|\0", message)
        and all(len(line) <= 998 for line in message.split(b"\r\n"))
        and re.match(rb"[!-9;-~]+[ \t]*:", message)
    )


def check_submitted(stored, message, name):
    """The fields are there in order and the body is the same; what was added are fields of a submission server."""
    header, blank, body = message.partition(b"\r\n\r\n")
    if not blank:  # a message that is nothing but a header
        header, body = message[:-2], b""
    kept = header + b"\r\n"
    assert stored.count(kept) >= 1 and stored.endswith(b"\r\n" + body), f"{name}: submission changed the message"
    before, _, rest = stored.partition(kept)
    after = rest[: len(rest) - len(body)]
    if blank:
        after = after.removesuffix(b"\r\n")
    fields = re.sub(rb"\r\n[ \t]", b" ", before + after).split(b"\r\n")
    assert fields.pop() == b"", name
    names = {field.split(b":", 1)[0].lower() for field in fields}
    assert b"received" in names and names <= ADDED, f"{name}: added {names}"


messages = [(path.name, path.read_bytes()) for path in map(pathlib.Path, given["files"])]
messages = [(name, message) for name, message in messages if message]
assert messages, "there are no messages"

imap = Imap()
for name, message in messages:
    imap.append(b"INBOX", message)
imap.command(b"SELECT INBOX")
for number, (name, message) in enumerate(messages, 1):
    assert imap.body(number) == message, f"{name} came back changed over IMAP"
    imap.command(b"FETCH %d (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE BODY)" % number)
    imap.command(b"FETCH %d (BODY.PEEK[HEADER] BODY.PEEK[TEXT] BODY.PEEK[1] BODY.PEEK[1.MIME])" % number)
pop = Pop()
for number, (name, message) in enumerate(messages, 1):
    body = pop.body(number)
    # POP3 cannot carry a message that does not end in CRLF: one is added (RFC 1939 section 3).
    assert body == message or (not message.endswith(b"\r\n") and body == message + b"\r\n"), (
        f"{name} came back changed over POP3"
    )
pop.say(b"QUIT")

letters = [(name, message) for name, message in messages if submittable(message)]
submission = Submission()
for name, message in letters:
    submission.submit(message)
imap.command(b"NOOP")
for number, (name, message) in enumerate(letters, len(messages) + 1):
    check_submitted(imap.body(number), message, name)
print(f"ok {len(messages)} messages over IMAP and POP3, {len(letters)} of them submitted too")
