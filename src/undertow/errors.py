"""The one exception for mistakes that a user can mend."""


class UserError(Exception):
    """A mistake of the user: what is wrong, where, and how to fix it.

    The command line prints the three parts as one message and exits with code 2; no traceback.

    Attributes:
        what: What is wrong, one sentence without a full stop.
        where: The file, line, option or name that it concerns; empty where there is none.
        fix: What to do about it; empty where nothing can be advised.
    """

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        self.what = what
        self.where = where
        self.fix = fix
        super().__init__(str(self))

    def __str__(self) -> str:
        """Return the message as the command line prints it."""
        place = f" ({self.where})" if self.where else ""
        advice = f"\n  fix: {self.fix}" if self.fix else ""
        return f"{self.what}{place}{advice}"
