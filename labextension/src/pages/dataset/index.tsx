/** The page of one dataset: what it holds, what it takes, what is in it, where it came from. */
import * as React from 'react';
import { useLepton } from '../../context';
import { bytes, count } from '../../format';
import type { IDataset } from '../../types';
import { useLoaded } from '../loaded';
import { Copy, Empty, Fact, Fault, HeadFacts } from '../parts';
import { useSurroundings } from '../surroundings';
import { Arrays } from './arrays';
import { Labels } from './labels';
import { Origin } from './origin';
import { Samples } from './samples';
import { Sizes } from './sizes';
import { sampleCount } from './stored';
import { Tiers } from './tiers';
import { Verify } from './verify';
import { Versions } from './versions';

export function DatasetPage(props: { path: string }): JSX.Element {
  const { api, trans } = useLepton();
  const { link } = useSurroundings();
  const [dataset, fault, reload] = useLoaded(() => api.dataset(props.path), [props.path]);
  const code = `ds = lepton.open_dataset(${JSON.stringify(props.path)})`;
  return (
    <div className="lp-Page-body">
      <header className="lp-Head">
        <div className="lp-Head-row">
          <h1>
            {dataset?.name ?? props.path.split('/').pop()}
            {dataset && (
              <span className="lp-Head-name">
                {trans._n(
                  '%2 sample',
                  '%2 samples',
                  sampleCount(dataset),
                  count(sampleCount(dataset))
                )}
              </span>
            )}
          </h1>
          <div className="lp-Head-actions">
            <Copy label={trans.__('Copy code')} text={() => code} />
            <Copy label={trans.__('Copy link')} text={() => link(`dataset:${props.path}`)} />
          </div>
        </div>
        {dataset && <Summary dataset={dataset} />}
      </header>
      {fault && <Fault message={fault} retry={reload} />}
      {!dataset && !fault && <Empty>{trans.__('Reading %1…', props.path)}</Empty>}
      {dataset && (
        <>
          <Arrays dataset={dataset} />
          <div className="lp-Columns">
            <div className="lp-Columns-main">
              <Samples
                path={props.path}
                total={dataset.samples}
                groups={Object.keys(dataset.groups ?? {})}
              />
              <Labels path={props.path} groups={Object.keys(dataset.groups ?? {})} />
            </div>
            <div className="lp-Columns-side">
              <Sizes dataset={dataset} />
              <Versions path={props.path} name={dataset.name} onChange={reload} />
              <Verify path={props.path} />
              <Tiers path={props.path} place={dataset.place} onChange={reload} />
              <Origin dataset={dataset} />
            </div>
          </div>
        </>
      )}
    </div>
  );
}

function Summary(props: { dataset: IDataset }): JSX.Element {
  const { trans } = useLepton();
  const { dataset } = props;
  const facts: Fact[] = [
    [trans.__('Path'), dataset.path],
    [trans.__('Stored'), bytes(dataset.stored_bytes)],
    [trans.__('Compression'), dataset.ratio ? `${dataset.ratio.toPrecision(3)} ×` : '–'],
    [trans.__('Format'), `Zarr v${dataset.zarr_format}`]
  ];
  const groups = Object.entries(dataset.groups ?? {});
  if (groups.length) {
    facts.push([
      trans.__('Parts'),
      groups.map(([name, group]) => `${name} ${count(sampleCount(group))}`).join(' · ')
    ]);
  }
  const classes = dataset.classes ?? groups.map(([, g]) => g.classes).find(Boolean);
  if (classes) {
    facts.push([trans.__('Classes'), String(classes.length)]);
  }
  return <HeadFacts facts={facts} />;
}
