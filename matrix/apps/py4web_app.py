"""py4web, which serves a folder of applications; a copy, since it writes beside them."""

import os
import shutil
from pathlib import Path

from py4web.core import wsgi

_FOLDER = Path(os.environ["MATRIX_FOLDER"]) / "apps"
shutil.copytree(Path(__file__).with_name("py4web_apps"), _FOLDER, dirs_exist_ok=True)
app = wsgi(apps_folder=str(_FOLDER), password_file=str(_FOLDER / "password.txt"), dashboard_mode="none", yes=True)
