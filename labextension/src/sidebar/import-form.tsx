import * as React from 'react';
import { Button } from '../components/button';
import { SelectField, TextField } from '../components/field';
import { Form } from '../components/form';
import { Failure } from '../components/notice';
import { useLepton, useStore } from '../context';
import { useRequest } from './request';

/** Make a dataset from files or a known collection. */
export function ImportForm(props: { onClose: () => void }): JSX.Element {
  const { api, lab, trans } = useLepton();
  const about = useStore(lab.about);
  const [source, setSource] = React.useState('');
  const [typedPath, setPath] = React.useState<string | null>(null);
  const [codec, setCodec] = React.useState('');
  const [label, setLabel] = React.useState('');
  const [maxError, setMaxError] = React.useState('');
  const [chunk, setChunk] = React.useState('');
  const [touched, setTouched] = React.useState(false);
  const request = useRequest();
  const path = typedPath ?? suggested(source);
  const forcible = request.error?.forcible ?? false;
  const tableLike = /\.(csv|parquet)$/i.test(source.trim());
  const wrong = {
    source: touched && !source.trim() ? trans.__('Which files, or which collection?') : null,
    path: touched && !path.trim() ? trans.__('Where to write it: digits.zarr') : null,
    maxError:
      maxError && !(Number(maxError) > 0) ? trans.__('A number above 0, such as 0.001.') : null
  };
  const send = async () => {
    setTouched(true);
    if (!source.trim() || !path.trim() || wrong.maxError) {
      return;
    }
    const goal = codec.startsWith('for:') ? codec.slice(4) : undefined;
    const sent = await request.send(() =>
      api.importDataset({
        source: source.trim(),
        path: path.trim(),
        codec: goal ? undefined : codec || undefined,
        for: goal,
        chunk: chunk.trim() || undefined,
        label: label.trim() || undefined,
        max_error: maxError ? Number(maxError) : undefined,
        force: forcible || undefined
      })
    );
    if (sent) {
      lab.addTask(sent.answer);
      props.onClose();
    }
  };
  const sources = about?.sources ?? [];
  return (
    <Form label={trans.__('Import data')} onSubmit={send} onClose={props.onClose}>
      <TextField
        label={trans.__('From')}
        value={source}
        error={wrong.source}
        choices={sources}
        placeholder="fashion-mnist"
        hint={trans.__('A collection, or a file or folder here: .npz, .npy, .csv, images by class')}
        autoFocus
        onChange={value => {
          setSource(value);
          request.clear();
        }}
      />
      <TextField
        label={trans.__('To')}
        value={path}
        error={wrong.path}
        placeholder="digits.zarr"
        onChange={value => {
          setPath(value);
          request.clear();
        }}
      />
      <SelectField
        label={trans.__('Compression')}
        value={codec}
        onChange={setCodec}
        choices={[
          { value: '', label: trans.__('Usual (blosc-zstd)') },
          { value: 'for:balanced', label: trans.__('By trial: balanced') },
          { value: 'for:speed', label: trans.__('By trial: fastest training') },
          { value: 'for:size', label: trans.__('By trial: smallest') },
          ...(about?.codecs ?? [])
            .filter(name => name !== 'auto')
            .map(name => ({ value: name, label: name }))
        ]}
      />
      <details className="lps-More">
        <summary>{trans.__('More')}</summary>
        <div className="lps-Form-row">
          <TextField
            label={trans.__('Chunk')}
            value={chunk}
            onChange={setChunk}
            placeholder={trans.__('auto, 1MiB')}
          />
          <TextField
            label={trans.__('Greatest error')}
            value={maxError}
            onChange={setMaxError}
            error={wrong.maxError}
            placeholder={trans.__('none')}
            inputMode="decimal"
          />
        </div>
      </details>
      {tableLike && (
        <TextField
          label={trans.__('Column with the labels')}
          value={label}
          onChange={setLabel}
          placeholder={trans.__('none')}
        />
      )}
      {request.error && <Failure message={request.error.message} onDismiss={request.clear} />}
      <div className="lps-Buttons">
        <Button onClick={props.onClose}>{trans.__('Cancel')}</Button>
        <Button look={forcible ? 'danger' : 'primary'} type="submit" disabled={request.busy}>
          {forcible ? trans.__('Replace') : trans.__('Import')}
        </Button>
      </div>
    </Form>
  );
}

/** `fashion.zarr` of fashion-mnist, `digits.zarr` of scans/digits.npz. */
export function suggested(source: string): string {
  const last = source.trim().replace(/\/+$/, '').split(/[/:]/).pop() ?? '';
  const stem = last.replace(/\.(npz|npy|csv|parquet|zarr|zip|gz|tar)$/i, '');
  return stem ? `${stem}.zarr` : '';
}
