"""The corpus of each fuzz target that lies in the repository: the inputs that hours of fuzzing have found.

Apart from `run.py` because it knows no run. A corpus has hundreds of inputs of a few bytes, so each is one archive.
"""

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

HERE = Path(__file__).resolve().parent
# To read a whole corpus takes minutes at most.
MERGE_SECONDS = 1800


def unpack(target: str) -> Path:
    """Adds the kept inputs to those that `target` has found here. Returns the folder."""
    folder, archive = HERE / "corpus" / target, HERE / "kept" / f"{target}.zip"
    folder.mkdir(parents=True, exist_ok=True)
    if archive.exists():
        with ZipFile(archive) as kept:
            kept.extractall(folder)
    return folder


def keep(program: Path, target: str) -> int:
    """Writes the archive of `target` anew: the fewest inputs that reach all that its corpus does. Returns their number."""
    archive = HERE / "kept" / f"{target}.zip"
    archive.parent.mkdir(exist_ok=True)
    with TemporaryDirectory() as fewest:
        command = [str(program), "-merge=1", fewest, str(unpack(target)), str(HERE / "seeds" / target)]
        subprocess.run(command, check=True, capture_output=True, timeout=MERGE_SECONDS)
        inputs = sorted(Path(fewest).iterdir())
        with ZipFile(archive, "w") as kept:
            for each in inputs:
                # Without a time, so that the same inputs are the same archive.
                kept.writestr(ZipInfo(each.name), each.read_bytes(), ZIP_DEFLATED, 9)
    return len(inputs)
