"""A mail server that records what it accepts, a line of JSON each.

Its arguments are the mode (starttls, implicit, open, open-plain), the folder with its certificate, and
the password. It prints its address when it listens, and ends with its standard input.
"""
import asyncio
import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

mode, folder, password = sys.argv[1:]
mails = open(f"{folder}/mails", "w", encoding="utf-8", buffering=1)
greylisted = set()


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("refused"):
            return "550 no such mailbox"
        if address.startswith("grey") and address not in greylisted:
            greylisted.add(address)
            return "451 greylisted, try again"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        mails.write(json.dumps({
            "sender": envelope.mail_from,
            "recipients": envelope.rcpt_tos,
            "tls": session.ssl is not None or mode == "implicit",
            "user": session.auth_data.login.decode() if session.auth_data else None,
            "subject": mail["subject"],
            "references": mail["references"],
            "importance": mail["importance"],
            "id": mail["message-id"],
            "body": mail.get_content(),
            "defects": [str(defect) for defect in mail.defects],
        }) + "\n")
        return "250 accepted"


def authenticate(server, session, envelope, mechanism, data):
    good = data.login == b"goavail" and data.password == password.encode()
    return AuthResult(success=good, handled=False, auth_data=data)


context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(f"{folder}/cert.pem", f"{folder}/key.pem")
needs_login = mode in ("starttls", "implicit")


def factory():
    return SMTP(
        Handler(),
        hostname="localhost",
        enable_SMTPUTF8=False,
        tls_context=context if mode in ("starttls", "open") else None,
        require_starttls=mode in ("starttls", "open"),
        authenticator=authenticate if needs_login else None,
        auth_required=needs_login,
        auth_require_tls=mode != "implicit",
    )


async def serve():
    loop = asyncio.get_running_loop()
    encrypted = context if mode == "implicit" else None
    server = await loop.create_server(factory, "127.0.0.1", 0, ssl=encrypted)
    print(f"localhost:{server.sockets[0].getsockname()[1]}", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(serve())
