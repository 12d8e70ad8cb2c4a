import * as React from 'react';
import { useLepton, useStore } from '../context';

export function Sidebar(): JSX.Element {
  const { lab, trans } = useLepton();
  const status = useStore(lab.status);
  return (
    <div className="lp-Sidebar-body">
      <header className="lp-Sidebar-header">
        <h2>Lepton</h2>
        <span role="status">{status}</span>
      </header>
      {[trans.__('Clusters'), trans.__('Runs'), trans.__('Data'), trans.__('Models')].map(title => (
        <details key={title} className="lp-Section" open>
          <summary>{title}</summary>
        </details>
      ))}
    </div>
  );
}
