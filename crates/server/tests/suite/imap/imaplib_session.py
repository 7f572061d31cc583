"""A day of Python's imaplib: python3 imaplib_session.py imaps|imap PORT ROOT.pem. Any surprise is an exception."""

import imaplib
import ssl
import sys

kind, port, root = sys.argv[1:]
context = ssl.create_default_context(cafile=root)
if kind == "imaps":
    imap = imaplib.IMAP4_SSL("127.0.0.1", int(port), ssl_context=context)
else:
    imap = imaplib.IMAP4("127.0.0.1", int(port))
    assert "LOGINDISABLED" in imap.capabilities and "STARTTLS" in imap.capabilities, imap.capabilities
    try:
        imap.login("ann@example.org", "correct horse")
        raise SystemExit("a password was taken in the clear")
    except imaplib.IMAP4.error as error:
        assert "[PRIVACYREQUIRED]" in str(error), error
    imap.starttls(context)
assert "AUTH=PLAIN" in imap.capabilities, imap.capabilities


def ok(answer):
    status, data = answer
    assert status == "OK", answer
    return data


def plain(_):
    return b"\0ann@example.org\0correct horse"


try:
    imap.login("ann@example.org", "wrong horse")
    raise SystemExit("a wrong password was taken")
except imaplib.IMAP4.error as error:
    assert "[AUTHENTICATIONFAILED]" in str(error), error
ok(imap.authenticate("PLAIN", plain))
assert "IDLE" in imap.capabilities or "IDLE" in ok(imap.capability())[0].decode()

assert ok(imap.select("INBOX")) == [b"0"]
message = b"From: a@example.org\r\nSubject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\n\r\nBody with \xff octets.\r\n.\r\n"
date = imaplib.Time2Internaldate(1_600_000_000)
assert b"APPENDUID" in ok(imap.append("INBOX", r"(\Seen $Work)", date, message))[0]
ok(imap.append("INBOX", None, None, message.replace(b"Body", b"Corpse")))
assert ok(imap.noop()) and imap.response("EXISTS")

((head, octets), tail) = ok(imap.fetch("1", "(UID FLAGS INTERNALDATE BODY.PEEK[])"))
assert octets == message, octets
assert b"\\Seen" in head and b"$Work" in head and imaplib.Internaldate2tuple(head) is not None
assert ok(imap.search(None, "SUBJECT", '"=?utf-8"')) == [b"1 2"]
assert ok(imap.search("UTF-8", "BODY", "corpse")) == [b"2"]
assert ok(imap.uid("SEARCH", "UNSEEN")) == [b"2"]
assert b"\\Flagged" in ok(imap.store("2", "+FLAGS", r"(\Flagged)"))[0]

ok(imap.create("Projects/Pillarbox"))
names = b"\n".join(ok(imap.list()))
assert b"Projects/Pillarbox" in names and b"INBOX" in names, names
assert b"COPYUID" in ok(imap.copy("1:2", "Projects/Pillarbox"))[0]
assert b"MESSAGES 2" in ok(imap.status("Projects/Pillarbox", "(MESSAGES UIDNEXT)"))[0]
ok(imap.rename("Projects/Pillarbox", "Done"))
ok(imap.subscribe("Done"))
assert any(b"Done" in line for line in ok(imap.lsub()))

ok(imap.store("1", "+FLAGS.SILENT", r"(\Deleted)"))
assert ok(imap.expunge()) == [b"1"]
assert ok(imap.select("Done", readonly=True)) == [b"2"]
((_, octets), _) = ok(imap.fetch("1", "(RFC822)"))
assert octets == message
ok(imap.unselect())
ok(imap.delete("Done"))
assert ok(imap.namespace())
imap.logout()
print("imaplib is content")
