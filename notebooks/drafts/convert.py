"""percent script -> notebook: convert.py SRC.py NB.ipynb"""
import sys, re, nbformat
from nbformat.v4 import new_notebook,new_code_cell,new_markdown_cell
src,out=sys.argv[1:]
cells=[];kind=None;buf=[]
def flush():
    if kind is None: return
    text="\n".join(buf).strip("\n")
    if kind=="markdown":
        text="\n".join(l[2:] if l.startswith("# ") else l.lstrip("#") if l=="#" else l for l in text.split("\n"))
    cells.append((kind,text))
for line in open(src).read().split("\n"):
    m=re.match(r"# %%(?: \[(\w+)\])?$",line)
    if m: flush(); kind=m.group(1) or "code"; buf=[]
    else: buf.append(line)
flush()
nb=new_notebook(metadata={"kernelspec":{"display_name":"Python 3","language":"python","name":"python3"},"language_info":{"name":"python"}})
for i,(k,t) in enumerate(cells):
    c=(new_code_cell if k=="code" else new_markdown_cell)(t); c["id"]=f"cell-{i:02}"; nb.cells.append(c)
nbformat.validate(nb); nbformat.write(nb,out)
