import * as React from 'react';
import { Button } from '../components/button';
import { Failure } from '../components/notice';
import { Spinner } from '../components/progress';
import { useLepton, useStore } from '../context';
import { SECTIONS } from '../model';
import { Clusters } from './clusters';
import { Data } from './data';
import { Models } from './models';
import { Resources } from './resources';
import { Runs } from './runs';

const PARTS: Record<(typeof SECTIONS)[number], () => JSX.Element> = {
  clusters: Clusters,
  runs: Runs,
  data: Data,
  models: Models,
  resources: Resources
};

export function Sidebar(): JSX.Element {
  const { lab } = useLepton();
  const { sections } = useStore(lab.settings);
  const error = useStore(lab.error);
  return (
    <div>
      <Connection />
      {error && <Failure message={error} onDismiss={() => lab.error.set(null)} />}
      {SECTIONS.filter(name => sections.includes(name)).map(name => {
        const Part = PARTS[name];
        return (
          <Bounds key={name}>
            <Part />
          </Bounds>
        );
      })}
    </div>
  );
}

/** Nothing while the server is there. */
function Connection(): JSX.Element | null {
  const { lab, trans } = useLepton();
  const status = useStore(lab.status);
  if (status === 'live') {
    return null;
  }
  return (
    <div className="lps-Connection" role="status">
      <Spinner />
      {status === 'connecting' ? (
        trans.__('Connecting…')
      ) : (
        <>
          <span>{trans.__('The server is away. What is shown may be old.')}</span>
          <Button look="link" onClick={() => lab.stream.reconnect()}>
            {trans.__('Try now')}
          </Button>
        </>
      )}
    </div>
  );
}

/** A defect in one section leaves the others alone, and says what it was. */
class Bounds extends React.Component<{ children: React.ReactNode }, { error: Error | null }> {
  state = { error: null as Error | null };

  static getDerivedStateFromError(error: Error) {
    return { error };
  }

  render(): React.ReactNode {
    const { error } = this.state;
    return error ? (
      <Failure message={error.message} onDismiss={() => this.setState({ error: null })} />
    ) : (
      this.props.children
    );
  }
}
