"""``python -m md2n``: the command, where its script is not on the path."""

from md2n.cli.main import run

if __name__ == "__main__":
    run()
