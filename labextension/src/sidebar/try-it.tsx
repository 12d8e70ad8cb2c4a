import * as React from 'react';
import { Button } from '../components/button';
import { SelectField, TextField } from '../components/field';
import { Failure } from '../components/notice';
import { Preview } from '../components/preview';
import { useLepton, useStore } from '../context';
import { duration, number } from '../format';
import type { IEndpoint, IModelVersion, IPrediction } from '../types';
import { useAnswer, useRequest } from './request';

const STORED = '';
const TYPED = '\u0000typed';
const SHOWN = 10;

/** Send one sample to an endpoint and see the answer. */
export function TryIt(props: { endpoint: IEndpoint; version?: IModelVersion }): JSX.Element {
  const { api, lab, trans } = useLepton();
  const { endpoint } = props;
  const datasets = (useStore(lab.datasets) ?? []).filter(row => !row.error);
  const [from, setFrom] = React.useState(datasets[0]?.path ?? STORED);
  const [start, setStart] = React.useState(0);
  const [typed, setTyped] = React.useState('');
  const [index, setIndex] = React.useState<number | null>(null);
  const [answer, setAnswer] = React.useState<IPrediction | null>(null);
  const request = useRequest();
  const ofDataset = from !== STORED && from !== TYPED;
  const { answer: preview } = useAnswer(
    () => (ofDataset ? api.preview(from, SHOWN, start) : Promise.resolve(null)),
    [api, from, start]
  );
  const ask = async (what: Parameters<typeof api.predict>[1]) => {
    const sent = await request.send(() => api.predict(endpoint.name, what));
    setAnswer(sent ? sent.answer : null);
  };
  const label = preview?.samples.find(sample => sample.index === index)?.label;
  return (
    <div className="lps-Try">
      <SelectField
        label={trans.__('Try it with')}
        value={from}
        onChange={value => {
          setFrom(value);
          setStart(0);
          setIndex(null);
          setAnswer(null);
        }}
        choices={[
          ...datasets.map(row => ({
            value: row.path,
            label: trans.__('a sample of %1', row.name)
          })),
          { value: STORED, label: trans.__('a sample that was saved with it') },
          { value: TYPED, label: trans.__('numbers') }
        ]}
      />
      {ofDataset && preview && (
        <>
          <Preview
            preview={preview}
            chosen={index ?? undefined}
            onChoose={chosen => {
              setIndex(chosen);
              void ask({ sample: { path: from, index: chosen } });
            }}
          />
          <Button look="link" onClick={() => setStart(start + SHOWN)}>
            {trans.__('Other samples')}
          </Button>
        </>
      )}
      {from === STORED && (
        <div className="lps-Buttons lps-mod-start">
          <Button
            icon="try"
            disabled={request.busy}
            onClick={() => {
              const next = (index ?? -1) + 1;
              setIndex(next);
              void ask({ sample: { stored: next } });
            }}
          >
            {index === null ? trans.__('Send it') : trans.__('Send the next')}
          </Button>
        </div>
      )}
      {from === TYPED && (
        <form
          onSubmit={event => {
            event.preventDefault();
            const inputs = parse(typed);
            if (inputs !== undefined) {
              void ask({ inputs });
            }
          }}
        >
          <TextField
            label={trans.__('A batch of inputs, as JSON')}
            value={typed}
            onChange={setTyped}
            placeholder="[[5.1, 3.5, 1.4, 0.2]]"
            error={
              typed && parse(typed) === undefined ? trans.__('This is not a list in JSON.') : null
            }
          />
          <Button icon="try" type="submit" disabled={request.busy || parse(typed) === undefined}>
            {trans.__('Send')}
          </Button>
        </form>
      )}
      {request.error && <Failure message={request.error.message} onDismiss={request.clear} />}
      {answer && <Answer answer={answer} expected={label ?? null} />}
    </div>
  );
}

function Answer(props: { answer: IPrediction; expected: string | null }): JSX.Element {
  const { trans } = useLepton();
  const { answer, expected } = props;
  return (
    <div className="lps-Answer" role="status">
      {answer.top ? (
        <table className="lps-Sizes" aria-label={trans.__('Answer')}>
          <tbody>
            {answer.top.slice(0, 5).map(({ class: name, score }) => (
              <tr key={name} className={name === expected ? 'lps-mod-expected' : ''}>
                <th scope="row">{name}</th>
                <td>
                  <span className="lps-Sizes-bar" aria-hidden="true">
                    <span
                      style={{ width: `${(Math.min(1, Math.max(0, score)) * 100).toFixed(1)}%` }}
                    />
                  </span>
                </td>
                <td className="lps-mod-numeric">{`${(score * 100).toFixed(1)} %`}</td>
              </tr>
            ))}
          </tbody>
        </table>
      ) : (
        <code>{shortened(answer.outputs)}</code>
      )}
      <p className="lps-Muted">
        {expected !== null && `${trans.__('The dataset says: %1', expected)} · `}
        {trans.__(
          'answered in %1',
          answer.milliseconds < 1000
            ? `${number(Math.round(answer.milliseconds * 10) / 10)} ms`
            : duration(answer.milliseconds / 1000)
        )}
      </p>
    </div>
  );
}

function parse(text: string): unknown[] | undefined {
  try {
    const value = JSON.parse(text);
    return Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function shortened(outputs: unknown): string {
  const text = JSON.stringify(outputs, (_, value) =>
    typeof value === 'number' ? Number(value.toPrecision(4)) : value
  );
  return text.length > 400 ? `${text.slice(0, 400)} …` : text;
}
