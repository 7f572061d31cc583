"""Python's own imaplib, poplib and smtplib against a running server, over implicit TLS and STARTTLS.

Arguments: a JSON object with ports (imaps, pop3s, submissions, imap, pop3, submission), ca (a PEM file), login,
password. Prints one line a check; any failure ends with a traceback and a status other than 0.
"""
import imaplib
import json
import poplib
import smtplib
import ssl
import sys
import time

given = json.loads(sys.argv[1])
ports, login, password = given["ports"], given["login"], given["password"]
context = ssl.create_default_context(cafile=given["ca"])
HOST = "localhost"
LETTER = "From: %s\r\nTo: %s\r\nSubject: %s\r\n\r\nWhat's in a name?\r\n.a dot first\r\n"


def done(check):
    print(f"ok {check}", flush=True)


def submit(session, subject):
    assert session.has_extn("auth"), session.esmtp_features
    session.login(login, password)
    assert session.sendmail(login, [login], LETTER % (login, login, subject)) == {}
    session.quit()


def submission():
    with smtplib.SMTP_SSL(HOST, ports["submissions"], context=context) as session:
        session.ehlo()
        assert not session.has_extn("starttls")
        submit(session, "by smtplib over submissions")
    done("smtplib submissions")

    session = smtplib.SMTP(HOST, ports["submission"])
    session.ehlo()
    assert session.has_extn("starttls") and not session.has_extn("auth"), session.esmtp_features
    code, _ = session.mail(login)
    assert code == 530, code
    code, _ = session.docmd("AUTH", "PLAIN AGEAYg==")
    assert code in (530, 538), code
    session.starttls(context=context)
    session.ehlo()
    submit(session, "by smtplib after STARTTLS")
    done("smtplib STARTTLS")

    session = smtplib.SMTP_SSL(HOST, ports["submissions"], context=context)
    try:
        session.login(login, "wrong")
        raise AssertionError("a wrong password was accepted")
    except smtplib.SMTPAuthenticationError as refused:
        assert refused.smtp_code == 535, refused
    done("smtplib wrong password: 535")


def wait_for(session, subject):
    """IMAP: the UID of the message with this subject."""
    for _ in range(50):
        session.noop()
        _, [found] = session.uid("SEARCH", "SUBJECT", f'"{subject}"')
        if found:
            return found.split()[-1]
        time.sleep(0.1)
    raise AssertionError(f"{subject!r} did not arrive")


def imap_session(session, subject):
    status, _ = session.login(login, password)
    assert status == "OK"
    assert session.select("INBOX")[0] == "OK"
    uid = wait_for(session, subject)
    _, [(_, body), *_] = session.uid("FETCH", uid, "(BODY.PEEK[])")
    assert body.endswith(b"What's in a name?\r\n.a dot first\r\n"), body
    assert b" tls TLS_" in body.replace(b"\r\n", b"").replace(b"\t", b" "), body
    _, [(_, header), *_] = session.uid("FETCH", uid, "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    assert subject.encode() in header
    assert session.uid("STORE", uid, "+FLAGS", r"(\Seen \Flagged)")[0] == "OK"
    _, [flags] = session.uid("FETCH", uid, "(FLAGS)")
    assert rb"\Flagged" in flags, flags
    assert session.logout()[0] == "BYE"


def imap():
    session = imaplib.IMAP4_SSL(HOST, ports["imaps"], ssl_context=context)
    assert "STARTTLS" not in session.capabilities and "LOGINDISABLED" not in session.capabilities
    imap_session(session, "by smtplib over submissions")
    done("imaplib imaps")

    session = imaplib.IMAP4(HOST, ports["imap"])
    assert {"STARTTLS", "LOGINDISABLED"} <= set(session.capabilities), session.capabilities
    assert not [c for c in session.capabilities if c.startswith("AUTH=")], session.capabilities
    try:
        session.login(login, password)
        raise AssertionError("a password was accepted in the clear")
    except imaplib.IMAP4.error as refused:
        assert "PRIVACYREQUIRED" in str(refused), refused
    session.starttls(context)
    assert "STARTTLS" not in session.capabilities
    imap_session(session, "by smtplib after STARTTLS")
    done("imaplib STARTTLS")

    session = imaplib.IMAP4_SSL(HOST, ports["imaps"], ssl_context=context)
    session.authenticate("PLAIN", lambda _: f"\0{login}\0{password}".encode())
    for name in ["Letters/Verona"]:
        assert session.create(name)[0] == "OK"
    assert session.append("Letters/Verona", r"(\Seen)", None, (LETTER % (login, login, "kept")).encode())[0] == "OK"
    status, [count] = session.select("Letters/Verona")
    assert (status, count) == ("OK", b"1")
    assert session.copy("1", "Archive")[0] == "OK"
    assert session.store("1", "+FLAGS", r"\Deleted")[0] == "OK"
    assert session.expunge() == ("OK", [b"1"])
    session.close()
    assert any(b"Letters/Verona" in line for line in session.list()[1])
    status, [answer] = session.status("Archive", "(MESSAGES UIDNEXT UIDVALIDITY UNSEEN)")
    assert status == "OK" and b"MESSAGES 1" in answer, answer
    assert session.delete("Letters/Verona")[0] == "OK"
    session.logout()
    done("imaplib mailboxes")

    session = imaplib.IMAP4_SSL(HOST, ports["imaps"], ssl_context=context)
    try:
        session.login(login, "wrong")
        raise AssertionError("a wrong password was accepted")
    except imaplib.IMAP4.error as refused:
        assert "AUTHENTICATIONFAILED" in str(refused), refused
    done("imaplib wrong password: AUTHENTICATIONFAILED")


def pop_session(session):
    session.user(login)
    session.pass_(password)
    count, octets = session.stat()
    assert count >= 2 and octets > 0
    _, listing, _ = session.list()
    assert len(listing) == count
    _, lines, _ = session.retr(count)
    assert lines[-2:] == [b"What's in a name?", b".a dot first"], lines
    _, top, _ = session.top(count, 0)
    assert any(line.lower().startswith(b"subject:") for line in top)
    identifiers = [line.split()[1] for line in session.uidl()[1]]
    assert len(set(identifiers)) == count
    session.quit()


def pop():
    session = poplib.POP3_SSL(HOST, ports["pop3s"], context=context)
    assert "STLS" not in session.capa()
    pop_session(session)
    done("poplib pop3s")

    session = poplib.POP3(HOST, ports["pop3"])
    listed = session.capa()
    assert "STLS" in listed and "USER" not in listed and "SASL" not in listed, listed
    for attempt in (lambda: session.user(login), lambda: session._shortcmd("AUTH PLAIN AGEAYg==")):
        try:
            attempt()
            raise AssertionError("a login was begun in the clear")
        except poplib.error_proto as refused:
            assert refused.args[0].startswith(b"-ERR"), refused
    session.stls(context=context)
    pop_session(session)
    done("poplib STLS")

    session = poplib.POP3_SSL(HOST, ports["pop3s"], context=context)
    try:
        session.user(login)
        session.pass_("wrong")
        raise AssertionError("a wrong password was accepted")
    except poplib.error_proto as refused:
        assert b"[AUTH]" in refused.args[0], refused
    done("poplib wrong password: [AUTH]")


submission()
imap()
pop()
