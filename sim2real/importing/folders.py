"""A folder that is written whole or not at all."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sim2real.errors import RobotError


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """Yield an empty folder to write into, which becomes `out` where the block ends well and is gone where it does not.

    Raise RobotError if `out` exists and is not an empty folder, or cannot be made or written.
    """
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise RobotError(f"{out}: exists and is not an empty folder; give a new one, or delete it")
        out.parent.mkdir(parents=True, exist_ok=True)
        # Beside `out`, so that the last step is a rename and not a copy.
        made = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    except OSError as error:
        raise RobotError(f"{out}: cannot be made: {error.strerror}") from None
    try:
        yield made
        made.chmod(0o755)  # mkdtemp makes it private
        made.rename(out)
    except RobotError as error:  # the folder that it speaks of is gone when it is read
        raise type(error)(str(error).replace(str(made), str(out))) from None
    except OSError as error:
        raise RobotError(f"{out}: cannot be written: {error.strerror}") from None
    finally:
        shutil.rmtree(made, ignore_errors=True)  # there is one only where the block failed
