"""The program `hitpredict`, and `python -m hitpredict`."""

from hitpredict.cli import signals


def main() -> None:
    """Be ready for signals, then load the rest."""
    signals.leave_at_once()
    from hitpredict.cli.app import main as program

    program()


if __name__ == "__main__":
    main()
