"""The command line: one JSON document or people's text, one clear line on error, and exit codes scripts rely on.

Commands are entry points of the group ``hil.commands``; each lives in the package that does the work, and its module
imports nothing heavy at the top.
"""

from hil.cli.answer import Answer, command
from hil.cli.main import main
from hil.cli.options import figure_path, key_values
from hil.cli.tables import listing
from hil.cli.waiting import progress_bar

__all__ = ["Answer", "command", "figure_path", "key_values", "listing", "main", "progress_bar"]
