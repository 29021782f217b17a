"""The mail server's log, read from where it stood when the run began."""
import email.parser
import os

BEGIN, END = "---------- MESSAGE FOLLOWS ----------", "------------ END MESSAGE ------------"


class MailLog:
    """Mails in the order the server took them."""

    def __init__(self, path):
        self.path = path
        self.offset = self.size()

    def size(self):
        return os.stat(self.path).st_size

    def mails(self):
        """(Message-ID, recipient) of every whole mail since the run began."""
        if self.size() < self.offset:
            raise RuntimeError(f"{self.path} was emptied while the run was under way: start it again")
        with open(self.path, encoding="utf-8", errors="replace") as log:
            log.seek(self.offset)
            text = log.read()
        parse = email.parser.HeaderParser().parsestr
        blocks = [block.split(END)[0].lstrip("\n") for block in text.split(BEGIN)[1:] if END in block]
        return [(str(head["Message-ID"]).strip(), str(head["To"]).strip()) for head in map(parse, blocks)]
