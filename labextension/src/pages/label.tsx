/** The page on which samples are labelled: the one that notebooks show, over REST. */
import * as React from 'react';
import { useLepton } from '../context';
import { useLoaded } from './loaded';
import { Empty, Fault } from './parts';

type Request = Record<string, unknown>;
type Mount = (node: HTMLElement, ask: (request: Request) => Promise<unknown>) => () => void;

const NOBODY: Request = {};

export function LabelPage(props: { path: string }): JSX.Element {
  const { api, memory, trans } = useLepton();
  const { path } = props;
  const [how, setHow] = React.useState<Request | null>(null);
  const [known, fault, reload] = useLoaded(
    () => Promise.all([api.labelling(path), api.dataset(path), memory.ready]),
    [path]
  );
  if (fault) {
    return (
      <div className="lp-Page-body">
        <Fault message={fault} retry={reload} />
      </div>
    );
  }
  if (!known) {
    return <Empty>{trans.__('Loading %1…', path)}</Empty>;
  }
  const [{ labels }, dataset] = known;
  const begun = how ?? (memory.get(`label:${path}`) as Request | undefined);
  const begin = (chosen: Request) => {
    memory.set(`label:${path}`, chosen);
    setHow(chosen);
  };
  return (
    <div className="lp-Page-body">
      {labels || begun ? (
        <>
          <header className="lp-Head">
            <h1>
              {trans.__('Labels')}
              <span className="lp-Head-name">{dataset.name}</span>
            </h1>
          </header>
          <Labelling path={path} how={begun ?? NOBODY} />
        </>
      ) : (
        <Begin classes={dataset.classes ?? []} onBegin={begin} />
      )}
    </div>
  );
}

function Begin(props: { classes: string[]; onBegin: (how: Request) => void }): JSX.Element {
  const { trans } = useLepton();
  const [classes, setClasses] = React.useState(props.classes.join(', '));
  const [kind, setKind] = React.useState('');
  const [annotator, setAnnotator] = React.useState('');
  const names = classes
    .split(',')
    .map(name => name.trim())
    .filter(Boolean);
  return (
    <form
      className="lp-Begin"
      onSubmit={event => {
        event.preventDefault();
        props.onBegin({
          classes: names,
          kind: kind || null,
          annotator: annotator.trim() || null
        });
      }}
    >
      <h1>{trans.__('Label samples')}</h1>
      <p>
        {trans.__(
          'Each label is kept at once beside the dataset, which is not changed. A key is a label.'
        )}
      </p>
      <label>
        {trans.__('Classes, with commas between them')}
        <input
          value={classes}
          onChange={event => setClasses(event.target.value)}
          placeholder="cat, dog"
        />
      </label>
      <label>
        {trans.__('What a label is of')}
        <select value={kind} onChange={event => setKind(event.target.value)}>
          <option value="">{trans.__('a whole sample')}</option>
          <option value="boxes">{trans.__('boxes on images')}</option>
        </select>
      </label>
      <label>
        {trans.__('Your name')}
        <input
          value={annotator}
          onChange={event => setAnnotator(event.target.value)}
          placeholder={trans.__('the name of your account')}
        />
      </label>
      <button className="lp-Action" disabled={!names.length}>
        {trans.__('Begin')}
      </button>
    </form>
  );
}

function Labelling(props: { path: string; how: Request }): JSX.Element {
  const { api, trans } = useLepton();
  const { path, how } = props;
  const node = React.useRef<HTMLDivElement>(null);
  const [fault, setFault] = React.useState<string | null>(null);
  React.useEffect(() => {
    let close: (() => void) | null = null;
    let gone = false;
    const show = async () => {
      const mount = await load(() => api.page('labelling'));
      if (!gone && node.current) {
        close = mount(node.current, request => api.label({ path, ...how, ...request }));
      }
    };
    show().catch(error => setFault(error.message));
    return () => {
      gone = true;
      close?.();
    };
  }, [api, path, how]);
  return fault ? (
    <Fault message={fault} />
  ) : (
    <div ref={node} aria-label={trans.__('Labelling')} role="region" />
  );
}

let loaded: Promise<Mount> | null = null;

/** Import the page's module once; it comes from the server, since notebooks have the same. */
function load(get: () => Promise<{ script: string; style: string }>): Promise<Mount> {
  loaded ??= get().then(async ({ script, style }) => {
    const look = document.createElement('style');
    look.textContent = style;
    document.head.append(look);
    const url = URL.createObjectURL(new Blob([script], { type: 'text/javascript' }));
    try {
      return ((await import(/* webpackIgnore: true */ url)) as { mount: Mount }).mount;
    } finally {
      URL.revokeObjectURL(url);
    }
  });
  loaded.catch(() => (loaded = null));
  return loaded;
}
