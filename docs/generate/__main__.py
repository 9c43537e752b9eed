"""`python -m docs.generate FOLDER`: write what MkDocs builds the site from into a folder."""

from argparse import ArgumentParser
from pathlib import Path

from docs.generate.site import make_site

parser = ArgumentParser(prog="python -m docs.generate", description="Write what MkDocs builds the site from.")
parser.add_argument("folder", type=Path, help="where to; what is there is replaced")
make_site(parser.parse_args().folder)
