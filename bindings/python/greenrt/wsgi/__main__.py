"""python -m greenrt.wsgi module:app      serves an application; --help says how"""

from __future__ import annotations

import sys

from .options import Failure, fail, go_to, read, tls_context
from .prefork import Master
from .say import have_streams


def main() -> int:
    """Reads the command line, and runs the master."""
    have_streams()
    try:
        options = read(sys.argv[1:])
        if options.chdir:
            go_to(options.chdir)
        context = tls_context(options.certfile, options.keyfile)
        master = Master(options, context)
    except Failure as failure:
        fail(failure)
    except OSError as error:
        fail(error.strerror or error)
    return master.run()


if __name__ == "__main__":
    sys.exit(main())
