"""`python -m undertow` is the command `undertow`; launchers of several processes want a module."""

from undertow.cli.main import main

if __name__ == "__main__":
    main()
