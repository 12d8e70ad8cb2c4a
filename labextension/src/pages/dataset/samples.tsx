/** Samples to look at, a page at a time. */
import * as React from 'react';
import { useLepton } from '../../context';
import { count } from '../../format';
import type { IPreview } from '../../types';
import { useLoaded } from '../loaded';
import { Empty, Fault, Section } from '../parts';

function Parts(props: {
  groups: string[];
  value: string;
  onChange: (group: string) => void;
}): JSX.Element | null {
  const { trans } = useLepton();
  if (!props.groups.length) {
    return null;
  }
  return (
    <label className="lp-Switch">
      {trans.__('part')}
      <select value={props.value} onChange={event => props.onChange(event.target.value)}>
        {props.groups.map(name => (
          <option key={name}>{name}</option>
        ))}
      </select>
    </label>
  );
}

const PAGE = 24;

export function Samples(props: { path: string; total: number; groups: string[] }): JSX.Element {
  const { api, trans } = useLepton();
  const [start, setStart] = React.useState(0);
  const [group, setGroup] = React.useState(props.groups[0] ?? '');
  const where = group ? `${props.path}/${group}` : props.path;
  const [preview, fault, reload] = useLoaded(() => api.preview(where, PAGE, start), [where, start]);
  const shown = preview?.samples.length ?? 0;
  const last = start + shown;
  return (
    <Section
      title={trans.__('Samples')}
      note={shown ? trans.__('%1 to %2', count(start), count(last - 1)) : undefined}
      actions={
        <>
          <Parts
            groups={props.groups}
            value={group}
            onChange={name => {
              setGroup(name);
              setStart(0);
            }}
          />
          <button
            className="lp-Action"
            disabled={start === 0}
            onClick={() => setStart(Math.max(0, start - PAGE))}
          >
            {trans.__('Previous')}
          </button>
          <button
            className="lp-Action"
            disabled={shown < PAGE}
            onClick={() => setStart(start + PAGE)}
          >
            {trans.__('Next')}
          </button>
        </>
      }
    >
      {fault && <Fault message={fault} retry={reload} />}
      {!preview && !fault && <Empty>{trans.__('Reading samples…')}</Empty>}
      {preview && !shown && <Empty>{trans.__('It holds no samples.')}</Empty>}
      {preview && shown > 0 && <Grid preview={preview} />}
    </Section>
  );
}

function Grid(props: { preview: IPreview }): JSX.Element {
  const { trans } = useLepton();
  const { kind, samples } = props.preview;
  if (samples.some(sample => sample.image)) {
    return (
      <ul className={`lp-Grid lp-mod-${kind}`}>
        {samples.map(sample => (
          <li
            key={sample.index}
            title={`${sample.index}: ${sample.label ?? ''} ${sample.text ?? ''}`}
          >
            <img
              src={sample.image ?? ''}
              alt={trans.__('Sample %1: %2', sample.index, sample.label ?? sample.text ?? '')}
            />
            <span>{sample.label ?? sample.index}</span>
          </li>
        ))}
      </ul>
    );
  }
  return (
    <div className="lp-TableBox" tabIndex={0} role="region" aria-label={trans.__('Samples')}>
      <table className="lp-Table">
        <thead>
          <tr>
            <th className="lp-Number">{trans.__('Sample')}</th>
            <th>{trans.__('Values')}</th>
            <th>{trans.__('Label')}</th>
          </tr>
        </thead>
        <tbody>
          {samples.map(sample => (
            <tr key={sample.index}>
              <td className="lp-Number lp-Dim">{count(sample.index)}</td>
              <td className="lp-Grid-text">{sample.text}</td>
              <td>{sample.label ?? '–'}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
