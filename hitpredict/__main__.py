"""`python -m hitpredict`."""

from hitpredict.cli.app import main

if __name__ == "__main__":
    main()
