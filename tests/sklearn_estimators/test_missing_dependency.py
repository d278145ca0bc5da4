"""Without scikit-learn, the import error names what to install."""

from __future__ import annotations

import subprocess
import sys

import pytest

HIDDEN = {
    "absent": "import sys; sys.modules['sklearn'] = None",
    "old": "import sys, types; new = types.ModuleType; sys.modules |= "
    "{n: new(n) for n in ('sklearn', 'sklearn.utils', 'sklearn.utils.validation')}",
}


@pytest.mark.parametrize("how", HIDDEN)
def test_import_error_is_one_line(how):
    script = f"{HIDDEN[how]}; import handnn; import handnn.tables.recipe; import handnn.sklearn"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last == (
        "ImportError: handnn.sklearn needs scikit-learn 1.6 or later: "
        "pip install 'scikit-learn>=1.6'"
    )
