"""When the daemon is killed: three moments drawn from the seed, each while orders are under way."""
import random
import time

FIRST, LAST = 2, 18


class Kills:
    """Two of the kills fall at a random time after a random number of orders was placed, one at the very moment
    when the mail server starts to write down a mail: there the outcome of a mail is unknown."""

    def __init__(self, seed, count=3):
        self.random = random.Random(seed)
        step = (LAST - FIRST + 1) / count
        kinds = ["moment"] * (count - 1) + ["mail"]
        self.random.shuffle(kinds)
        self.plan = [(self.random.randint(round(FIRST + i * step), round(FIRST + (i + 1) * step) - 1), kind,
                      self.random.uniform(0.0, 2.5)) for i, kind in enumerate(kinds)]
        self.done = 0

    def is_over(self):
        """True once all were carried out."""
        return self.done == len(self.plan)

    def is_due(self, placed):
        """True once the next kill's number of orders is placed."""
        return self.done < len(self.plan) and placed >= self.plan[self.done][0]

    def carry_out(self, daemon, maillog, open_orders):
        """Waits for the moment and kills. `open_orders` tells how many placed orders have no mail yet."""
        _, kind, delay = self.plan[self.done]
        if kind == "mail":
            size, patience = maillog.size(), time.monotonic() + 60
            while maillog.size() == size and time.monotonic() < patience:
                time.sleep(0.0005)
        else:
            time.sleep(delay)
            while open_orders() == 0:
                time.sleep(0.05)
        daemon.kill()
        self.done += 1
        return "while a mail was taken" if kind == "mail" else f"{delay:.3f} s later"

    def pause(self):
        """How long the daemon stays dead, seconds."""
        return self.random.uniform(0.2, 1.5)
