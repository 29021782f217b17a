"""The OpenSSH client's sftp, one batch at a time."""
import subprocess


class Sftp:
    """A login whose host key was pinned in `known_hosts` beforehand. `scratch` is a folder for what is under way."""

    def __init__(self, port, user, key, known_hosts, scratch):
        self.address = f"{user}@127.0.0.1"
        self.scratch = scratch
        self.options = ["-q", "-P", str(port), "-i", str(key), "-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes",
                        "-o", f"UserKnownHostsFile={known_hosts}", "-o", "IdentitiesOnly=yes", "-o", "ConnectTimeout=10"]

    def run(self, *commands):
        """Runs commands; one that begins with `-` may fail. Returns the lines that are not echoes."""
        batch = "".join(command + "\n" for command in commands)
        done = subprocess.run(["sftp", "-b", "-", *self.options, self.address], input=batch, text=True,
                              capture_output=True, timeout=60, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"sftp: {done.stderr.strip() or done.stdout.strip()}")
        return [line for line in done.stdout.splitlines() if not line.startswith("sftp> ")]

    def make(self, folder):
        self.run(f"mkdir {folder}")

    def names(self, folder):
        """File names in a folder."""
        return [line.rsplit("/", 1)[-1].strip() for line in self.run(f"ls -1 {folder}") if line.strip()]

    def read(self, path):
        local = self.scratch / "received"
        local.unlink(missing_ok=True)
        self.run(f"get {path} {local}")
        return local.read_bytes()

    def write(self, path, content):
        """Uploads under a temporary name and renames, as a careful far side does."""
        local, part = self.scratch / "sent", f"{path}.tmp"
        local.write_bytes(content)
        self.run(f"-rm {part}", f"put {local} {part}", f"rename {part} {path}")
