"""`python -m docs.generate FOLDER`: write what MkDocs builds the site from into a folder."""

import sys
from pathlib import Path

from docs.generate.site import make_site

make_site(Path(sys.argv[1]))
