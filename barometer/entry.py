"""Where the program begins: whatever goes wrong in a command becomes one line and an exit code."""

import errno
import sys

from barometer.cli import app
from barometer.console import print_error
from barometer.errors import BarometerError, StorageError, UnavailableError
from barometer.logs import set_up_logs
from barometer.settings import settings

EXTRA_OF = {
    **dict.fromkeys(("datasets", "optimum", "ray", "torch", "transformers"), "train"),
    **dict.fromkeys(("evidently", "onnx", "prefect", "pyarrow"), "ops"),
    "boto3": "s3",
    "confluent_kafka": "kafka",
    "openvino": "openvino",
}
"""Which extra brings a module that the plain install lacks."""


def main() -> None:
    """Run the command line; an error that Barometer can explain becomes one line."""
    try:
        set_up_logs(settings().log_level)
        app()
    except BarometerError as error:
        print_error(str(error))
        sys.exit(error.exit_code)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
            raise
        print_error(
            f"{error.filename or 'a file'} cannot be written ({error.strerror}): make room or "
            "rights, and run the command again."
        )
        sys.exit(StorageError.exit_code)
    except ModuleNotFoundError as error:
        extra = EXTRA_OF.get((error.name or "").split(".")[0])
        if extra is None:
            raise
        print_error(
            f"this command needs {error.name}, which comes with the {extra!r} extra: "
            f"pip install -c requirements.lock -e '.[{extra}]'"
        )
        sys.exit(UnavailableError.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        part = _failed_part(error)
        if part is None:
            raise
        cause = str(getattr(error, "orig", None) or error).splitlines()[0]
        print_error(f"{part} failed while this command worked ({type(error).__name__}: {cause}).")
        sys.exit(UnavailableError.exit_code)


def _failed_part(error: Exception) -> str | None:
    """Whose error it is; the libraries are imported now, since half of a start would be theirs."""
    from redis.exceptions import RedisError  # noqa: PLC0415
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    if isinstance(error, RedisError):
        return "Redis"
    return "the database" if isinstance(error, SQLAlchemyError) else None
