import * as React from 'react';
import { Button, IconButton } from '../components/button';
import { SelectField, TextField } from '../components/field';
import { Form } from '../components/form';
import { Icon } from '../components/icon';
import { Confirm, Failure } from '../components/notice';
import { Row } from '../components/row';
import { Empty, Section } from '../components/section';
import { Table } from '../components/table';
import { Tasks } from '../components/tasks';
import { Commands } from '../commands';
import { useLepton, useStore } from '../context';
import { bytes, number, metric, when } from '../format';
import { headline, title } from '../run';
import type { IEndpoint, IModel, IModelVersion } from '../types';
import { useRequest } from './request';
import { TryIt } from './try-it';

export function Models(): JSX.Element {
  const { lab, trans } = useLepton();
  const models = useStore(lab.models);
  const endpoints = useStore(lab.endpoints);
  const asked = useStore(lab.asked);
  const open = asked === 'model';
  return (
    <Section
      id="models"
      title={trans.__('Models')}
      summary={
        endpoints.length
          ? trans._n('%1 deployed', '%1 deployed', endpoints.length)
          : models?.length || undefined
      }
      actions={
        <IconButton
          icon="add"
          label={trans.__('Save a model')}
          aria-expanded={open}
          onClick={() => lab.asked.set(open ? null : 'model')}
        />
      }
    >
      {open && <SaveForm onClose={() => lab.asked.set(null)} />}
      <Tasks kind="model" />
      {models?.length === 0 && !open && (
        <Empty
          text={trans.__(
            'A model is what a run produced and you keep: versions of it can be compared, deployed as an endpoint and tried here.'
          )}
        >
          <Button icon="add" onClick={() => lab.asked.set('model')}>
            {trans.__('Save a model')}
          </Button>
        </Empty>
      )}
      <ul className="lps-Rows">
        {models?.map(model => (
          <li key={model.name}>
            <ModelRow
              model={model}
              endpoint={endpoints.find(endpoint => endpoint.name === model.name) ?? model.endpoint}
            />
          </li>
        ))}
      </ul>
    </Section>
  );
}

const ModelRow = React.memo(function ModelRow(props: {
  model: IModel;
  endpoint: IEndpoint | null;
}): JSX.Element {
  const { trans } = useLepton();
  const { model, endpoint } = props;
  const promoted = model.versions.find(version => version.version === model.promoted);
  return (
    <Row
      kind="model"
      name={model.name}
      title={model.name}
      marks={
        endpoint ? (
          <span className="lps-Tag lps-mod-live">{trans.__('deployed v%1', endpoint.version)}</span>
        ) : (
          <span className="lps-Muted">{trans.__('v%1', model.promoted)}</span>
        )
      }
      figure={promoted ? best(promoted) : ''}
    >
      {() => <Details model={model} endpoint={endpoint} />}
    </Row>
  );
});

function Details(props: { model: IModel; endpoint: IEndpoint | null }): JSX.Element {
  const { api, lab, trans, execute } = useLepton();
  const { model, endpoint } = props;
  const [dropping, setDropping] = React.useState<number | null>(null);
  const request = useRequest();
  const forcible = request.error?.forcible ?? false;
  const deploy = async (version: number) => {
    const sent = await request.send(() => api.deploy(model.name, { version }));
    if (sent) {
      lab.addTask(sent.answer);
    }
  };
  return (
    <>
      <Table
        label={trans.__('Versions of %1', model.name)}
        rows={[...model.versions].sort((a, b) => b.version - a.version)}
        rowKey={version => version.version}
        columns={[
          {
            title: trans.__('Version'),
            cell: version => (
              <span title={[version.note, bytes(version.bytes)].filter(Boolean).join(' · ')}>
                {trans.__('v%1', version.version)}
                {version.version === model.promoted && (
                  <span className="lps-State lps-mod-done" title={trans.__('promoted')}>
                    <Icon name="check" />
                    <span className="lps-Hidden">{trans.__('promoted')}</span>
                  </span>
                )}
              </span>
            )
          },
          {
            title: trans.__('Run'),
            cell: version =>
              version.run ? (
                <button
                  type="button"
                  className="lps-Link"
                  onClick={() => execute(Commands.openRun, { id: version.run })}
                >
                  {version.run}
                </button>
              ) : (
                when(version.created)
              )
          },
          { title: trans.__('Metric'), numeric: true, cell: best },
          {
            title: '',
            numeric: true,
            cell: version => (
              <span className="lps-Cell-actions">
                {version.version !== model.promoted && (
                  <IconButton
                    icon="check"
                    label={trans.__('Promote v%1', version.version)}
                    onClick={() =>
                      void request.send(() => api.promote(model.name, version.version))
                    }
                  />
                )}
                <IconButton
                  icon="deploy"
                  label={trans.__('Deploy v%1', version.version)}
                  disabled={request.busy || endpoint?.version === version.version}
                  onClick={() => void deploy(version.version)}
                />
                <IconButton
                  icon="trash"
                  label={trans.__('Remove v%1', version.version)}
                  onClick={() => setDropping(version.version)}
                />
              </span>
            )
          }
        ]}
      />
      {dropping !== null && (
        <Confirm
          question={trans.__('Remove version %1 of %2?', dropping, model.name)}
          detail={request.error?.message ?? trans.__('Its files are deleted.')}
          yes={forcible ? trans.__('Remove all the same') : trans.__('Remove')}
          busy={request.busy}
          onNo={() => {
            setDropping(null);
            request.clear();
          }}
          onYes={() =>
            void request
              .send(() => api.dropModel(model.name, dropping, forcible))
              .then(done => done && setDropping(null))
          }
        />
      )}
      {request.error && dropping === null && (
        <Failure message={request.error.message} onDismiss={request.clear} />
      )}
      {endpoint ? (
        <Deployed model={model} endpoint={endpoint} />
      ) : (
        <div className="lps-Buttons lps-mod-start">
          <Button
            icon="deploy"
            look="primary"
            disabled={request.busy}
            onClick={() => void deploy(model.promoted)}
          >
            {trans.__('Deploy v%1', model.promoted)}
          </Button>
        </div>
      )}
    </>
  );
}

function Deployed(props: { model: IModel; endpoint: IEndpoint }): JSX.Element {
  const { api, trans } = useLepton();
  const { endpoint, model } = props;
  const [asking, setAsking] = React.useState(false);
  const stop = useRequest();
  return (
    <div className="lps-Endpoint">
      <header className="lps-Card-head">
        <h4>{trans.__('Endpoint')}</h4>
        <code className="lps-Endpoint-url" title={endpoint.url}>
          {endpoint.url}
        </code>
        <IconButton
          icon="stop"
          label={trans.__('Stop the endpoint of %1', model.name)}
          onClick={() => setAsking(true)}
        />
      </header>
      {asking && (
        <Confirm
          question={trans.__('Stop the endpoint of %1?', model.name)}
          detail={trans.__('Programs that call it get no answer any more. The model is kept.')}
          yes={stop.busy ? trans.__('Stopping…') : trans.__('Stop')}
          busy={stop.busy}
          onNo={() => setAsking(false)}
          onYes={() => void stop.send(() => api.stopEndpoint(endpoint.name))}
        />
      )}
      {stop.error && <Failure message={stop.error.message} onDismiss={stop.clear} />}
      <TryIt
        endpoint={endpoint}
        version={model.versions.find(version => version.version === endpoint.version)}
      />
    </div>
  );
}

/** The metric that a version is known by. */
function best(version: IModelVersion): string {
  const names = Object.keys(version.metrics);
  const name =
    names.find(n => n === 'val_accuracy') ??
    names.find(n => n.includes('accuracy')) ??
    names[names.length - 1];
  return name === undefined ? '–' : metric(version.metrics[name]);
}

/** Keep the model of a run. */
function SaveForm(props: { onClose: () => void }): JSX.Element {
  const { api, lab, trans } = useLepton();
  const { runs } = useStore(lab.runs);
  const models = useStore(lab.models) ?? [];
  const able = runs.filter(run => run.state === 'done' && run.values.length > 0);
  const [run, setRun] = React.useState(able[0]?.id ?? '');
  const [name, setName] = React.useState('');
  const [note, setNote] = React.useState('');
  const request = useRequest();
  const save = async () => {
    const sent = await request.send(() =>
      api.saveModel(run, name.trim(), note.trim() || undefined)
    );
    if (sent) {
      lab.addTask(sent.answer);
      props.onClose();
    }
  };
  if (!able.length) {
    return (
      <Empty
        text={trans.__(
          'No run has brought a model back yet. Let a run keep it: %1',
          '%%lepton run --pull model'
        )}
      >
        <Button onClick={props.onClose}>{trans.__('Close')}</Button>
      </Empty>
    );
  }
  return (
    <Form label={trans.__('Save a model')} onSubmit={save} onClose={props.onClose}>
      <SelectField
        label={trans.__('Of run')}
        value={run}
        onChange={setRun}
        choices={able.map(each => {
          const value = headline(each);
          return {
            value: each.id,
            label: [each.id, title(each), value && `${value[0]} ${number(value[1])}`]
              .filter(Boolean)
              .join(' · ')
          };
        })}
      />
      <TextField
        label={trans.__('Name')}
        value={name}
        onChange={setName}
        choices={models.map(model => model.name)}
        placeholder="fashion"
        hint={trans.__('A name that is there already gets another version.')}
        autoFocus
      />
      <TextField label={trans.__('Note')} value={note} onChange={setNote} />
      {request.error && <Failure message={request.error.message} onDismiss={request.clear} />}
      <div className="lps-Buttons">
        <Button onClick={props.onClose}>{trans.__('Cancel')}</Button>
        <Button look="primary" type="submit" disabled={request.busy || !name.trim()}>
          {trans.__('Save')}
        </Button>
      </div>
    </Form>
  );
}
