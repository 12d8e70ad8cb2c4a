/** The page of one model: its versions with their metrics, which is promoted, its endpoint. */
import * as React from 'react';
import { Commands } from '../commands';
import { useLepton, useStore } from '../context';
import type { IEndpoint, IModel, IModelVersion, IPrediction, ITensor } from '../types';
import { RowBars } from '../charts/bars';
import { useLoaded } from './loaded';
import { best } from './metrics';
import { Copy, Empty, Facts, Fault, IColumn, ISorting, Section, SortTable } from './parts';
import { useSurroundings } from './surroundings';
import { TaskLine, useTask } from './taskline';
import { bytes, duration, moment, number, percent } from '../format';

export function ModelPage(props: { name: string }): JSX.Element {
  const { api, lab, trans } = useLepton();
  const { link } = useSurroundings();
  const live = useStore(lab.models)?.find(model => model.name === props.name);
  const endpoints = useStore(lab.endpoints);
  const [loaded, fault, reload] = useLoaded(() => api.model(props.name), [props.name]);
  const model = live ?? loaded;
  const endpoint = endpoints.find(one => one.name === props.name) ?? model?.endpoint ?? null;
  return (
    <div className="lp-Page-body">
      <header className="lp-Head">
        <div className="lp-Head-row">
          <h1>
            {props.name}
            {model && (
              <span className="lp-Head-name">
                {trans.__('version %1 is promoted', model.promoted)}
              </span>
            )}
          </h1>
          <div className="lp-Head-actions">
            <Copy label={trans.__('Copy code')} text={() => `lepton.model("${props.name}")`} />
            <Copy label={trans.__('Copy link')} text={() => link(`model:${props.name}`)} />
          </div>
        </div>
      </header>
      {fault && !model && <Fault message={fault} retry={reload} />}
      {!model && !fault && <Empty>{trans.__('Loading %1…', props.name)}</Empty>}
      {model && (
        <>
          <Versions model={model} onChange={reload} />
          <div className="lp-Columns">
            <div className="lp-Columns-main">
              <Endpoint model={model} endpoint={endpoint} onChange={reload} />
            </div>
            <div className="lp-Columns-side">
              <Signature version={promoted(model)} />
            </div>
          </div>
        </>
      )}
    </div>
  );
}

function promoted(model: IModel): IModelVersion | undefined {
  return (
    model.versions.find(v => v.version === model.promoted) ??
    model.versions[model.versions.length - 1]
  );
}

function Versions(props: { model: IModel; onChange: () => void }): JSX.Element {
  const { api, trans, execute } = useLepton();
  const { confirm } = useSurroundings();
  const [sorting, setSorting] = React.useState<ISorting | null>({ key: 'version', down: true });
  const [fault, setFault] = React.useState<string | null>(null);
  const { model } = props;
  const metrics = [...new Set(model.versions.flatMap(v => Object.keys(v.metrics)))];
  const leaders = Object.fromEntries(
    metrics.map(name => [
      name,
      best(
        model.versions.map(v => [String(v.version), v.metrics[name]] as const),
        name
      )
    ])
  );
  const act = async (work: () => Promise<unknown>) => {
    setFault(null);
    try {
      await work();
      props.onChange();
    } catch (error) {
      setFault((error as Error).message);
    }
  };
  const columns: IColumn<IModelVersion>[] = [
    {
      key: 'version',
      title: trans.__('Version'),
      value: v => v.version,
      cell: v => (
        <>
          <b>{v.version}</b>{' '}
          {v.version === model.promoted && <span className="lp-Tag">{trans.__('promoted')}</span>}
        </>
      )
    },
    {
      key: 'created',
      title: trans.__('Saved'),
      value: v => v.created,
      cell: v => moment(v.created)
    },
    {
      key: 'run',
      title: trans.__('From'),
      value: v => v.run,
      cell: v =>
        v.run ? (
          <button className="lp-Link" onClick={() => execute(Commands.openRun, { id: v.run })}>
            {v.run}
          </button>
        ) : (
          '–'
        )
    },
    ...metrics.map((name): IColumn<IModelVersion> => ({
      key: `m:${name}`,
      title: name,
      numeric: true,
      value: v => v.metrics[name],
      cell: v =>
        leaders[name] === String(v.version) ? (
          <b className="lp-Best">★ {number(v.metrics[name])}</b>
        ) : (
          number(v.metrics[name])
        )
    })),
    {
      key: 'bytes',
      title: trans.__('Size'),
      numeric: true,
      value: v => v.bytes,
      cell: v => bytes(v.bytes)
    },
    { key: 'note', title: trans.__('Note'), value: v => v.note, cell: v => v.note ?? '' },
    {
      key: 'do',
      title: <span className="lp-Hidden">{trans.__('Actions')}</span>,
      fixed: true,
      value: () => null,
      cell: v =>
        v.version !== model.promoted && (
          <span className="lp-Row">
            <button
              className="lp-Action"
              onClick={() => act(() => api.promote(model.name, v.version))}
            >
              {trans.__('Promote')}
            </button>
            <button
              className="lp-Action"
              onClick={() =>
                act(async () => {
                  const sure = await confirm(
                    trans.__('Drop version %1 of %2?', v.version, model.name),
                    trans.__('Its files are removed. This cannot be undone.'),
                    trans.__('Drop version')
                  );
                  if (sure) {
                    await api.dropModel(model.name, v.version);
                  }
                })
              }
            >
              {trans.__('Drop')}
            </button>
          </span>
        )
    }
  ];
  return (
    <Section title={trans.__('Versions')} note={String(model.versions.length)}>
      {fault && <Fault message={fault} />}
      <SortTable
        label={trans.__('Versions of %1', model.name)}
        rows={model.versions}
        columns={columns}
        rowKey={v => String(v.version)}
        sorting={sorting}
        onSort={setSorting}
      />
    </Section>
  );
}

function Signature(props: { version: IModelVersion | undefined }): JSX.Element | null {
  const { trans } = useLepton();
  const { version } = props;
  if (!version) {
    return null;
  }
  const written = (tensors: ITensor[] | null) =>
    (tensors ?? [])
      .map(t => `${t.name} (${t.shape.map(n => n ?? '–').join(' × ')}) ${t.dtype}`)
      .join(', ') || '–';
  return (
    <Section title={trans.__('What it takes and gives')}>
      <Facts
        facts={[
          [trans.__('Inputs'), written(version.inputs)],
          [trans.__('Outputs'), written(version.outputs)],
          [trans.__('Classes'), version.classes?.join(', ') ?? '–'],
          [trans.__('Preprocessing'), version.preprocessing?.join(', ') || '–']
        ]}
      />
    </Section>
  );
}

function Endpoint(props: {
  model: IModel;
  endpoint: IEndpoint | null;
  onChange: () => void;
}): JSX.Element {
  const { api, trans } = useLepton();
  const { confirm } = useSurroundings();
  const task = useTask(props.onChange);
  const [fault, setFault] = React.useState<string | null>(null);
  const { model, endpoint } = props;
  const stop = async () => {
    const sure = await confirm(
      trans.__('Stop serving %1?', model.name),
      trans.__('Who asks its address gets no answer any more.'),
      trans.__('Stop endpoint')
    );
    if (sure) {
      try {
        await api.stopEndpoint(model.name);
        props.onChange();
      } catch (error) {
        setFault((error as Error).message);
      }
    }
  };
  return (
    <Section
      title={trans.__('Endpoint')}
      actions={
        endpoint ? (
          <button className="lp-Action lp-mod-danger" onClick={() => void stop()}>
            {trans.__('Stop')}
          </button>
        ) : (
          <button
            className="lp-Action"
            disabled={task.running}
            onClick={() => task.run(() => api.deploy(model.name))}
          >
            {trans.__('Deploy version %1', model.promoted)}
          </button>
        )
      }
    >
      <TaskLine task={task} />
      {fault && <Fault message={fault} />}
      {endpoint ? (
        <>
          <Facts
            facts={[
              [trans.__('Address'), endpoint.url],
              [trans.__('Version'), String(endpoint.version)],
              [trans.__('Runtime'), endpoint.runtime],
              [trans.__('Workers'), String(endpoint.workers)],
              [trans.__('Since'), moment(endpoint.started)]
            ]}
          />
          <TryIt name={model.name} />
        </>
      ) : (
        !task.running && (
          <Empty>{trans.__('Not deployed. Predictions offline work all the same.')}</Empty>
        )
      )}
    </Section>
  );
}

/** Send one sample of a dataset, or numbers, and see the answer. */
function TryIt(props: { name: string }): JSX.Element {
  const { api, lab, trans } = useLepton();
  const datasets = useStore(lab.datasets) ?? [];
  const [path, setPath] = React.useState('');
  const [index, setIndex] = React.useState(0);
  const [answer, setAnswer] = React.useState<IPrediction | null>(null);
  const [fault, setFault] = React.useState<string | null>(null);
  const chosen = path || datasets[0]?.path || '';
  const send = async () => {
    setFault(null);
    try {
      setAnswer(await api.predict(props.name, { sample: { path: chosen, index } }));
    } catch (error) {
      setAnswer(null);
      setFault((error as Error).message);
    }
  };
  return (
    <form
      className="lp-Try"
      onSubmit={event => {
        event.preventDefault();
        void send();
      }}
    >
      <h3>{trans.__('Try it')}</h3>
      <div className="lp-Row">
        <select
          aria-label={trans.__('Dataset to take a sample from')}
          value={chosen}
          onChange={event => setPath(event.target.value)}
        >
          {datasets.map(one => (
            <option key={one.path} value={one.path}>
              {one.name}
            </option>
          ))}
        </select>
        <label className="lp-Switch">
          {trans.__('sample')}
          <input
            type="number"
            min={0}
            value={index}
            onChange={event => setIndex(Number(event.target.value))}
          />
        </label>
        <button className="lp-Action" disabled={!chosen}>
          {trans.__('Predict')}
        </button>
      </div>
      {fault && <Fault message={fault} />}
      {answer && (
        <div role="status">
          {answer.top ? (
            <RowBars
              label={trans.__('Scores')}
              most={1}
              rows={answer.top.map(row => ({
                key: row.class,
                label: row.class,
                value: row.score,
                text: percent(row.score, 1)
              }))}
            />
          ) : (
            <pre className="lp-Answer">{JSON.stringify(answer.outputs).slice(0, 2000)}</pre>
          )}
          <p className="lp-Dim">
            {trans.__('answered in %1', duration(answer.milliseconds / 1000))}
          </p>
        </div>
      )}
    </form>
  );
}
