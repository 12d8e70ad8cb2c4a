/** The page of one run: what it is doing or did, from its first line to its last figure. */
import * as React from 'react';
import { useVisible } from '../../charts/visible';
import { useLepton } from '../../context';
import { Empty, Fault, Fold } from '../parts';
import { Code } from './code';
import { Cost } from './cost';
import { Curves } from './curves';
import { Environment } from './environment';
import { ErrorBlock } from './error';
import { RunFeed } from './feed';
import { Head } from './head';
import { Output } from './output';
import { Phases } from './phases';
import { RunResources } from './resources';
import { Streams } from './streams';
import { Values, Artifacts } from './values';

export function RunPage(props: {
  id: string;
  /** Told what the run is called, as soon as that is known. */
  onName?: (name: string | null) => void;
}): JSX.Element {
  const { api, lab, trans } = useLepton();
  const feed = React.useMemo(() => new RunFeed(props.id, api, lab.stream), [props.id]);
  React.useEffect(() => feed.start(), [feed]);
  useFeed(feed);
  const { run } = feed;
  React.useEffect(() => props.onName?.(run?.name ?? null), [run?.name]);
  if (!run) {
    return (
      <div className="lp-Page-body">
        {feed.loading === 'failed' ? (
          <Fault message={feed.fault ?? ''} retry={() => feed.reload()} />
        ) : (
          <Empty>{trans.__('Loading %1…', props.id)}</Empty>
        )}
      </div>
    );
  }
  const running = run.state === 'running' || run.state === 'queued';
  return (
    <div className="lp-Page-body">
      <Head run={run} feed={feed} />
      {feed.fault && <Fault message={feed.fault} retry={() => feed.reload()} />}
      {run.error && <ErrorBlock run={run} />}
      <div className="lp-Columns">
        <div className="lp-Columns-main">
          <Curves
            steps={feed.steps}
            revision={feed.revision.steps}
            running={running}
            epochs={typeof run.progress?.epoch === 'number'}
          />
          <Output
            transcript={feed.transcript}
            revision={feed.revision.output}
            replaying={feed.replaying}
            running={running}
            withoutTraceback={!!run.error}
          />
          <Fold
            title={trans.__('Code')}
            note={trans._n('%1 line', '%1 lines', run.code.trimEnd().split('\n').length)}
            open
          >
            <Code source={run.code.replace(/\n+$/, '')} label={trans.__('The cell’s source')} />
          </Fold>
        </div>
        <div className="lp-Columns-side">
          <Values run={run} />
          <Phases run={run} />
          <Streams run={run} />
          <Cost run={run} />
          <RunResources run={run} />
          <Artifacts run={run} />
          <Environment run={run} />
        </div>
      </div>
    </div>
  );
}

/** Draw again when the feed has changed; while nobody looks, once when somebody does again. */
function useFeed(feed: RunFeed): void {
  const visible = useVisible();
  const [, setRevision] = React.useState(0);
  React.useEffect(() => {
    if (!visible) {
      return;
    }
    const again = () => setRevision(n => n + 1);
    again();
    return feed.subscribe(again);
  }, [feed, visible]);
}
