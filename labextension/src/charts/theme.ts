/** The theme's colours for canvases, which know nothing of CSS variables. */
import * as React from 'react';

export interface ITheme {
  ink: string;
  faint: string;
  grid: string;
  font: string;
}

export function themeOf(node: Element): ITheme {
  const style = getComputedStyle(node);
  const read = (name: string, otherwise: string) =>
    style.getPropertyValue(name).trim() || otherwise;
  return {
    ink: read('--jp-ui-font-color1', '#222'),
    faint: read('--jp-ui-font-color2', '#666'),
    grid: read('--jp-border-color2', '#ddd'),
    font: `11px ${style.fontFamily || 'system-ui, sans-serif'}`
  };
}

/** A number that changes when JupyterLab's theme has: canvases are drawn anew then. */
export function useThemeVersion(): number {
  const [version, setVersion] = React.useState(0);
  React.useEffect(() => {
    const observer = new MutationObserver(() => setVersion(v => v + 1));
    observer.observe(document.body, { attributeFilter: ['data-jp-theme-name'] });
    return () => observer.disconnect();
  }, []);
  return version;
}
