"""Makes a notebook of cells and has nbclient run it: `python notebook.py CELLS.json`; prints what each cell shows."""

import json
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

cells = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
for number, cell in enumerate(notebook.cells, 1):
    for output in cell.outputs:
        shown = output.get("data", {}).get("text/plain") or output.get("text", "")
        print(json.dumps({"cell": number, "shown": shown}))
print("done")
