import * as React from 'react';
import { Button } from '../components/button';
import { SelectField, TextField } from '../components/field';
import { Form } from '../components/form';
import { Failure } from '../components/notice';
import { ITrans, useLepton, useStore } from '../context';
import { bytes } from '../format';
import type { IAbout, IClusterPlan, IEngineOption } from '../types';
import { EngineFields, givenOptions, wrongOptions } from './engine-fields';
import { useRequest } from './request';
import { isSpan } from './span';

const ADDRESS = 'address';

/** What is typed: texts, empty for "choose for me". */
interface IValues {
  engine: string;
  address: string;
  tls_ca: string;
  tls_cert: string;
  tls_key: string;
  workers: string;
  threads: string;
  memory: string;
  name: string;
  idle_timeout: string;
  place: string;
  kernel: string;
  /** What belongs to one engine alone, by engine and name. */
  options: Record<string, Record<string, string>>;
}

type Field = Exclude<keyof IValues, 'options'>;
export type Wrong = Partial<Record<string, string>>;

const NOTHING: IValues = {
  engine: 'auto',
  address: '',
  tls_ca: '',
  tls_cert: '',
  tls_key: '',
  workers: '',
  threads: '',
  memory: '',
  name: '',
  idle_timeout: '',
  place: '',
  kernel: '',
  options: {}
};

/** A new cluster: everything may be left as it is. */
export function ClusterForm(props: { onClose: () => void }): JSX.Element {
  const { api, lab, trans } = useLepton();
  const about = useStore(lab.about);
  const { defaultEngine, idleTime } = useStore(lab.settings);
  const clusters = useStore(lab.clusters) ?? [];
  const [values, setValues] = React.useState<IValues>(
    () => lab.lastPlan ?? { ...NOTHING, engine: defaultEngine, idle_timeout: idleTime }
  );
  const [touched, setTouched] = React.useState(false);
  const request = useRequest();
  const wrong = check(
    values,
    clusters.map(cluster => cluster.name),
    about,
    trans
  );
  const error = (name: Field) => (touched || values[name] ? wrong[name] : undefined);
  const field = (name: Field) => ({
    value: values[name],
    error: error(name),
    onChange: (value: string) => setValues({ ...values, [name]: value })
  });
  const adopts = values.engine === ADDRESS;
  const gpus = about?.gpus ?? 0;
  const onGpus = values.engine === 'cuda' || (values.engine === 'auto' && gpus > 0);

  const start = async () => {
    setTouched(true);
    if (Object.keys(wrong).length) {
      return;
    }
    lab.lastPlan = values;
    const sent = await request.send(() =>
      api.startCluster(plan(values, optionsOf(values.engine, about)))
    );
    if (sent) {
      lab.addTask(sent.answer);
      props.onClose();
    }
  };
  return (
    <Form label={trans.__('New cluster')} onSubmit={start} onClose={props.onClose}>
      <SelectField
        label={trans.__('Runs on')}
        {...field('engine')}
        choices={engines(about, trans)}
        hint={hint(values.engine, about, trans)}
      />
      <EngineFields
        key={values.engine}
        options={optionsOf(values.engine, about)}
        values={values.options[values.engine] ?? {}}
        wrong={touched ? wrong : {}}
        onChange={(name, value) => {
          const own = { ...values.options[values.engine], [name]: value };
          setValues({ ...values, options: { ...values.options, [values.engine]: own } });
        }}
      />
      {adopts ? (
        <>
          <TextField
            label={trans.__('Address')}
            placeholder="tls://host:8786"
            {...field('address')}
            autoFocus
          />
          {values.address.startsWith('tls://') && (
            <>
              <TextField label={trans.__('Authority (file)')} {...field('tls_ca')} />
              <TextField label={trans.__('Certificate (file)')} {...field('tls_cert')} />
              <TextField label={trans.__('Key (file)')} {...field('tls_key')} />
            </>
          )}
        </>
      ) : (
        <div className="lps-Form-row">
          <TextField
            label={values.engine === 'auto' && onGpus ? trans.__('GPUs') : trans.__('Workers')}
            hint={onGpus ? undefined : trans.__('or 0..8, as runs need')}
            placeholder={onGpus && gpus ? trans.__('all %1', gpus) : trans.__('auto')}
            {...field('workers')}
          />
          <TextField
            label={trans.__('Threads')}
            hint={trans.__('of each')}
            placeholder={trans.__('auto')}
            inputMode="numeric"
            {...field('threads')}
          />
          <TextField
            label={trans.__('Memory')}
            hint={trans.__('of each')}
            placeholder={trans.__('auto')}
            {...field('memory')}
          />
        </div>
      )}
      <div className="lps-Form-row">
        <TextField
          label={trans.__('Name')}
          placeholder={
            adopts ? trans.__('its address') : values.engine === 'auto' ? 'local' : values.engine
          }
          {...field('name')}
        />
        <TextField label={trans.__('Stops if idle')} placeholder="1h" {...field('idle_timeout')} />
      </div>
      <div className="lps-Form-row">
        <TextField
          label={trans.__('Place')}
          hint={trans.__('edge, cloud, any word')}
          {...field('place')}
        />
        <SelectField
          label={trans.__('In the launcher')}
          hint={trans.__('as a kernel')}
          {...field('kernel')}
          choices={[
            { value: '', label: trans.__('no') },
            { value: 'yes', label: trans.__('yes') }
          ]}
        />
      </div>
      {request.error && <Failure message={request.error.message} onDismiss={request.clear} />}
      <div className="lps-Buttons">
        <Button onClick={props.onClose}>{trans.__('Cancel')}</Button>
        <Button look="primary" type="submit" disabled={request.busy}>
          {adopts ? trans.__('Adopt') : trans.__('Start')}
        </Button>
      </div>
    </Form>
  );
}

/** What cannot be, by field. */
export function check(
  values: IValues,
  taken: readonly string[],
  about: IAbout | null,
  trans: ITrans
): Wrong {
  const wrong: Wrong = {};
  if (values.engine === ADDRESS) {
    if (!/^(tls|tcp):\/\/[^\s/:]+:\d+$/.test(values.address.trim())) {
      wrong.address = trans.__('The address of a scheduler: tls://host:8786 or tcp://host:8786.');
    } else if (values.address.startsWith('tls://')) {
      for (const name of ['tls_ca', 'tls_cert', 'tls_key'] as const) {
        if (!values[name].trim()) {
          wrong[name] = trans.__('A tls:// address needs this file.');
        }
      }
    }
  } else {
    for (const name of ['workers', 'threads'] as const) {
      const span = name === 'workers' && isSpan(values[name]);
      if (values[name] && !span && !/^[1-9]\d*$/.test(values[name].trim())) {
        wrong[name] = trans.__('A number, 1 or more.');
      }
    }
    const own = optionsOf(values.engine, about);
    const words = { needed: trans.__('This is needed.'), number: trans.__('A number, 1 or more.') };
    Object.assign(wrong, wrongOptions(own, values.options[values.engine] ?? {}, words));
    if (values.engine === 'slurm' && !values.memory.trim()) {
      wrong.memory = trans.__('A job asks for memory: 4GiB.');
    }
    const gpus = about?.gpus ?? 0;
    if (values.engine === 'cuda' && Number(values.workers) > gpus) {
      wrong.workers = trans._n('There is %1 GPU.', 'There are %1 GPUs.', gpus);
    }
    if (values.memory && !/^\d+(\.\d+)?\s*([kMGT]i?)?B$/i.test(values.memory.trim())) {
      wrong.memory = trans.__('A size, such as 4GiB.');
    }
  }
  if (values.place && !/^[A-Za-z0-9][\w.-]{0,63}$/.test(values.place.trim())) {
    wrong.place = trans.__('Letters, digits and . _ - only.');
  }
  const name = values.name.trim();
  if (name && !/^[A-Za-z0-9][\w.-]*$/.test(name)) {
    wrong.name = trans.__('Letters, digits and . _ - only.');
  } else if (taken.includes(name)) {
    wrong.name = trans.__('%1 is running already.', name);
  }
  if (
    values.idle_timeout &&
    !/^\d+(\.\d+)?\s*(s|m|min|h|d|seconds?|minutes?|hours?|days?)?$/.test(
      values.idle_timeout.trim()
    )
  ) {
    wrong.idle_timeout = trans.__('A time: 90s, 10min, 1h.');
  }
  return wrong;
}

function optionsOf(engine: string, about: IAbout | null): readonly IEngineOption[] {
  return about?.engine_options?.[engine] ?? [];
}

function plan(values: IValues, options: readonly IEngineOption[]): IClusterPlan {
  const text = (name: Field) => values[name].trim() || undefined;
  const number = (name: Field) => (values[name] ? Number(values[name]) : undefined);
  const common = {
    name: text('name'),
    idle_timeout: text('idle_timeout'),
    place: text('place'),
    kernel: values.kernel ? true : undefined
  };
  if (values.engine === ADDRESS) {
    return {
      ...common,
      engine: text('address'),
      tls_ca: text('tls_ca'),
      tls_cert: text('tls_cert'),
      tls_key: text('tls_key')
    };
  }
  const span = isSpan(values.workers);
  return {
    ...common,
    engine: values.engine,
    workers: span ? undefined : number('workers'),
    adapt: span ? text('workers') : undefined,
    threads: number('threads'),
    memory: text('memory'),
    options: givenOptions(options, values.options[values.engine] ?? {})
  };
}

function engines(about: IAbout | null, trans: ITrans) {
  const words: Record<string, string> = {
    auto: about?.gpus
      ? trans._n('This machine: %1 GPU', 'This machine: %1 GPUs', about.gpus)
      : trans.__('This machine: best choice'),
    local: trans.__('This machine: CPU cores'),
    cuda: trans.__('This machine: GPUs'),
    ssh: trans.__('Other machines: SSH'),
    slurm: trans.__('A batch system: SLURM'),
    kubernetes: trans.__('Pods: Kubernetes'),
    gateway: trans.__('A Dask Gateway')
  };
  const names = about?.engines ?? ['auto', 'local', 'cuda'];
  return [
    ...names.map(name => ({
      value: name,
      label: words[name] ?? name,
      disabled: name === 'cuda' && about?.gpus === 0
    })),
    { value: ADDRESS, label: trans.__('A scheduler that runs already') }
  ];
}

function hint(engine: string, about: IAbout | null, trans: ITrans): string | undefined {
  if (!about || !['auto', 'local', 'cuda'].includes(engine)) {
    return undefined;
  }
  const machine = trans.__('%1 cores, %2 memory', about.cpus, bytes(about.memory));
  return about.gpus
    ? trans._n('%1 GPU, %2', '%1 GPUs, %2', about.gpus, machine)
    : trans.__('%1, no GPU', machine);
}
