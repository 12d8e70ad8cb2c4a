"""The style sheet of a panel, in the variables of JupyterLab's theme."""

from __future__ import annotations

# The picture is hidden by the widget behind it, as long as that has a kernel; then it is the other
# way round. Where there is no widget at all, what its place says of that is no news.
STYLE = """
.jp-OutputArea-child:has(.lepton-still):has(+.jp-OutputArea-child
 .lepton-panel:not(.jupyter-widgets-disconnected)),
.lepton-panel.jupyter-widgets-disconnected{display:none}
.lepton-panel{max-width:1100px}
.lepton-panel .widget-html{margin-top:0;margin-bottom:0;height:auto}
.lepton-panel .widget-html-content{line-height:1.5;overflow:visible}
.lepton-panel .lepton{max-width:none}
.lepton-line{font:13px/1.5 var(--jp-ui-font-family,system-ui,sans-serif)}
.lepton-row{display:grid;align-items:center;column-gap:10px;padding:0!important;min-height:27px}
.lepton-run{align-items:center;border-top:1px solid var(--jp-border-color2,rgba(128,128,128,.28))}
.lepton-run .widget-checkbox{margin:0}
.lepton-run .widget-checkbox input{margin-top:0;vertical-align:middle}
.lepton-head{font-size:12px;font-weight:600;min-height:22px;
color:var(--jp-ui-font-color2,#7d858f)}
.lepton-cell{overflow:hidden;text-overflow:ellipsis;white-space:nowrap;
font-variant-numeric:tabular-nums}
.lepton-row progress{width:72px}
.lepton-card svg,.lepton-card img{display:block;width:100%;height:34px;margin-top:4px}
""".replace("\n", "")
GONE = """
.jp-OutputArea-child:has(.lepton-still)+.jp-OutputArea-child
>.jp-OutputArea-output.jupyter-widgets{display:none}
""".replace("\n", "")
