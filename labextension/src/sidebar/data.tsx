import * as React from 'react';
import { Button, IconButton } from '../components/button';
import { TextField } from '../components/field';
import { Form } from '../components/form';
import { Icon } from '../components/icon';
import { Failure } from '../components/notice';
import { Preview } from '../components/preview';
import { Row } from '../components/row';
import { Empty, Section } from '../components/section';
import { Facts } from '../components/table';
import { Tasks } from '../components/tasks';
import { Commands } from '../commands';
import { ITrans, useLepton, useStore } from '../context';
import { bytes, count } from '../format';
import type { IDataset, IDatasetRow } from '../types';
import { ImportForm } from './import-form';
import { useAnswer, useRequest } from './request';

export function Data(): JSX.Element {
  const { lab, trans } = useLepton();
  const datasets = useStore(lab.datasets);
  const asked = useStore(lab.asked);
  const importing = useStore(lab.tasks).some(
    task => task.kind === 'data import' && task.state === 'running'
  );
  const open = asked === 'import';
  const stored = datasets?.reduce((sum, row) => sum + (row.stored_bytes ?? 0), 0) ?? 0;
  return (
    <Section
      id="data"
      title={trans.__('Data')}
      summary={datasets?.length ? bytes(stored) : undefined}
      actions={
        <>
          <IconButton
            icon="rerun"
            label={trans.__('Look for datasets again')}
            onClick={() => void lab.refreshDatasets()}
          />
          <IconButton
            icon="add"
            label={trans.__('Import data')}
            aria-expanded={open}
            onClick={() => lab.asked.set(open ? null : 'import')}
          />
        </>
      }
    >
      {open && <ImportForm onClose={() => lab.asked.set(null)} />}
      <Tasks kind="data" />
      {datasets?.length === 0 && !open && !importing && (
        <Empty
          text={trans.__(
            'A dataset is a compressed folder that training reads faster than plain files. None is here yet: import files or a known collection.'
          )}
        >
          <Button icon="import" onClick={() => lab.asked.set('import')}>
            {trans.__('Import data')}
          </Button>
        </Empty>
      )}
      <ul className="lps-Rows">
        {datasets?.map(row => (
          <li key={row.path}>
            <DatasetRow row={row} />
          </li>
        ))}
      </ul>
    </Section>
  );
}

const DatasetRow = React.memo(
  function DatasetRow(props: { row: IDatasetRow }): JSX.Element {
    const { row } = props;
    return (
      <Row
        kind="dataset"
        name={row.path}
        title={row.name}
        hint={row.path}
        marks={
          row.error && (
            <span className="lps-State lps-mod-failed" title={row.error}>
              <Icon name="warn" />
              <span className="lps-Hidden">{row.error}</span>
            </span>
          )
        }
        figure={bytes(row.stored_bytes)}
      >
        {() => (row.error ? <Failure message={row.error} /> : <Details path={row.path} />)}
      </Row>
    );
  },
  (before, after) => JSON.stringify(before.row) === JSON.stringify(after.row)
);

type Asking = 'snapshot' | null;

function Details(props: { path: string }): JSX.Element {
  const { api, lab, trans, execute } = useLepton();
  const { path } = props;
  const ended = useStore(lab.datasets); // anew after each import, snapshot and move
  const { answer: info, error } = useAnswer(() => api.dataset(path), [api, path, ended]);
  const { answer: preview } = useAnswer(() => api.preview(path, 10), [api, path]);
  const [asking, setAsking] = React.useState<Asking>(null);
  if (error) {
    return <Failure message={error.message} />;
  }
  return (
    <>
      {preview && <Preview preview={preview} />}
      {info && <Sizes info={info} />}
      {info && <Facts facts={facts(info, trans)} />}
      {asking === 'snapshot' && <SnapshotForm path={path} onClose={() => setAsking(null)} />}
      <div className="lps-Buttons lps-mod-start">
        <Button icon="open" onClick={() => execute(Commands.openDataset, { path })}>
          {trans.__('Open')}
        </Button>
        <Button icon="label" onClick={() => execute(Commands.openLabelling, { path })}>
          {trans.__('Label')}
        </Button>
        <Button
          icon="code"
          title={trans.__('Insert code that opens it into the notebook')}
          onClick={() =>
            execute(Commands.insertCode, {
              code: `ds = lepton.open_dataset(${JSON.stringify(path)})\nds`,
              load: true
            })
          }
        >
          {trans.__('Use')}
        </Button>
        <Button
          icon="snapshot"
          aria-expanded={asking === 'snapshot'}
          onClick={() => setAsking(asking ? null : 'snapshot')}
        >
          {trans.__('Snapshot')}
        </Button>
        <Button
          icon="check"
          title={trans.__('Check every chunk')}
          onClick={() => void lab.attempt(api.verify(path)).then(task => task && lab.addTask(task))}
        >
          {trans.__('Verify')}
        </Button>
      </div>
    </>
  );
}

/** Original, compressed and deduplicated size, as bars of one scale. */
function Sizes(props: { info: IDataset }): JSX.Element {
  const { trans } = useLepton();
  const { info } = props;
  const storage = info.storage ?? {};
  const number = (value: unknown) => (typeof value === 'number' ? value : null);
  const rows: [string, number | null][] = [
    [trans.__('Original'), number(storage.original_bytes) ?? info.original_bytes],
    [trans.__('Compressed'), number(storage.compressed_bytes) ?? info.stored_bytes],
    [trans.__('Deduplicated'), number(storage.deduplicated_bytes)]
  ];
  const most = rows[0][1] || 1;
  return (
    <table className="lps-Sizes" aria-label={trans.__('Sizes')}>
      <tbody>
        {rows
          .filter(([, size]) => size !== null)
          .map(([name, size]) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td>
                <span className="lps-Sizes-bar" aria-hidden="true">
                  <span style={{ width: `${Math.min(100, (size! / most) * 100).toFixed(1)}%` }} />
                </span>
              </td>
              <td className="lps-mod-numeric">{bytes(size)}</td>
              <td className="lps-mod-numeric">{size ? `${(most / size).toFixed(1)}×` : ''}</td>
            </tr>
          ))}
      </tbody>
    </table>
  );
}

function facts(info: IDataset, trans: ITrans): [string, React.ReactNode][] {
  const rows: [string, React.ReactNode][] = [[trans.__('Samples'), count(info.samples)]];
  for (const array of info.arrays.slice(0, 4)) {
    const shape = array.shape.join(' × ');
    rows.push([array.name, `${shape} ${array.dtype} · ${codecs(array.codecs)}`]);
  }
  if (info.classes?.length) {
    const { classes } = info;
    rows.push([
      trans.__('Classes'),
      classes.length > 6
        ? `${classes.slice(0, 5).join(', ')} … (${classes.length})`
        : classes.join(', ')
    ]);
  }
  const tier = info.place?.tier;
  if (typeof tier === 'string') {
    rows.push([trans.__('Tier'), tier]);
  }
  return rows;
}

/** As `codec_words` in lepton_jlab/data/describe.py writes them. */
function codecs(list: { name: string; configuration: Record<string, any> }[]): string {
  return (
    list
      .map(codec => {
        const name = codec.name.replace(/^numcodecs\./, '');
        return name === 'blosc'
          ? `blosc-${codec.configuration.cname}${codec.configuration.shuffle === 'bitshuffle' ? '-bitshuffle' : ''}`
          : name;
      })
      .filter(name => !['bytes', 'vlen-utf8', 'vlen-bytes'].includes(name))
      .join(' + ') || 'none'
  );
}

function SnapshotForm(props: { path: string; onClose: () => void }): JSX.Element {
  const { api, lab, trans } = useLepton();
  const [name, setName] = React.useState('');
  const request = useRequest();
  const keep = async () => {
    const sent = name.trim() && (await request.send(() => api.snapshot(props.path, name.trim())));
    if (sent) {
      lab.addTask(sent.answer);
      props.onClose();
    }
  };
  return (
    <Form onSubmit={keep} onClose={props.onClose}>
      <TextField
        label={trans.__('Name of this version')}
        value={name}
        onChange={setName}
        placeholder="v1"
        hint={trans.__('It takes the space of what changes afterwards.')}
        autoFocus
      />
      {request.error && <Failure message={request.error.message} />}
      <div className="lps-Buttons">
        <Button onClick={props.onClose}>{trans.__('Cancel')}</Button>
        <Button look="primary" type="submit" disabled={request.busy || !name.trim()}>
          {trans.__('Keep')}
        </Button>
      </div>
    </Form>
  );
}
