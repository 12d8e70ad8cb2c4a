/** Whether a page is seen: hidden ones keep their data and draw nothing. */
import * as React from 'react';

export const Visible = React.createContext(true);

export function useVisible(): boolean {
  const shown = React.useContext(Visible);
  const [awake, setAwake] = React.useState(!document.hidden);
  React.useEffect(() => {
    const look = () => setAwake(!document.hidden);
    document.addEventListener('visibilitychange', look);
    return () => document.removeEventListener('visibilitychange', look);
  }, []);
  return shown && awake;
}
