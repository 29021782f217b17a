"""A folder of this machine in place of a login over SFTP."""
from pathlib import Path


class Folder:
    """What `Sftp` does, below a folder."""

    def __init__(self, below):
        self.below = Path(below)

    def make(self, folder):
        (self.below / folder).mkdir()

    def names(self, folder):
        """File names in a folder."""
        return [path.name for path in (self.below / folder).iterdir() if path.is_file()]

    def read(self, path):
        return (self.below / path).read_bytes()

    def write(self, path, content):
        """Writes under a temporary name and renames, as a careful far side does."""
        part = self.below / f"{path}.tmp"
        part.write_bytes(content)
        part.rename(self.below / path)
