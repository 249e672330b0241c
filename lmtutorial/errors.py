"""The one error that a reader can cause and mend."""


class InputError(ValueError):
    """Something that the reader gave cannot be used.

    The message is one line that says what is wrong and what to do. The command line prints
    it without a traceback and ends with exit code 2; in a notebook it is an ordinary exception.
    """
