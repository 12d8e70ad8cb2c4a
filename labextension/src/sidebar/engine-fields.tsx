import * as React from 'react';
import { SelectField, TextField } from '../components/field';
import { useLepton } from '../context';
import type { IEngineOption } from '../types';

const FEW = 3; // that are shown at once; the rest folds out

/** What belongs to one engine: the options that the server's grammar has, with its words. */
export function EngineFields(props: {
  options: readonly IEngineOption[];
  values: Record<string, string>;
  wrong: Partial<Record<string, string>>;
  onChange: (name: string, value: string) => void;
}): JSX.Element {
  const { trans } = useLepton();
  const field = (option: IEngineOption) => (
    <EngineField
      key={option.name}
      option={option}
      value={props.values[option.name] ?? ''}
      error={props.wrong[option.name]}
      onChange={value => props.onChange(option.name, value)}
    />
  );
  const rest = props.options.slice(FEW);
  const [open, setOpen] = React.useState(rest.some(({ name }) => props.values[name]));
  return (
    <>
      {props.options.slice(0, FEW).map(field)}
      {rest.length > 0 && (
        <details
          className="lps-More"
          open={open || rest.some(({ name }) => props.wrong[name])}
          onToggle={event => setOpen(event.currentTarget.open)}
        >
          <summary>{trans._n('%1 more option', '%1 more options', rest.length)}</summary>
          {rest.map(field)}
        </details>
      )}
    </>
  );
}

function EngineField(props: {
  option: IEngineOption;
  value: string;
  error?: string;
  onChange: (value: string) => void;
}): JSX.Element {
  const { trans } = useLepton();
  const { option, ...rest } = props;
  const common = { ...rest, label: option.label, hint: option.help };
  if (option.kind === 'switch') {
    const choices = [
      { value: '', label: trans.__('no') },
      { value: 'yes', label: trans.__('yes') }
    ];
    return <SelectField {...common} choices={choices} />;
  }
  if (option.kind === 'choice') {
    const none = { value: '', label: option.default ?? trans.__('its own choice') };
    const named = option.choices.map(value => ({ value, label: value }));
    return <SelectField {...common} choices={[none, ...named]} />;
  }
  return (
    <TextField
      {...common}
      placeholder={option.default ?? undefined}
      required={option.required}
      choices={option.choices.length ? option.choices : undefined}
      inputMode={option.kind === 'number' ? 'numeric' : undefined}
    />
  );
}

/** What cannot be, by option. */
export function wrongOptions(
  options: readonly IEngineOption[],
  values: Record<string, string>,
  words: { needed: string; number: string }
): Record<string, string> {
  const wrong: Record<string, string> = {};
  for (const { name, kind, required } of options) {
    const value = values[name]?.trim() ?? '';
    if (required && !value) {
      wrong[name] = words.needed;
    } else if (kind === 'number' && value && !/^[1-9]\d*$/.test(value)) {
      wrong[name] = words.number;
    }
  }
  return wrong;
}

/** The options that were given, as the server takes them. */
export function givenOptions(
  options: readonly IEngineOption[],
  values: Record<string, string>
): Record<string, unknown> | undefined {
  const given = options
    .filter(({ name }) => values[name]?.trim())
    .map(({ name, kind }): [string, unknown] => {
      const value = values[name].trim();
      return [name, kind === 'switch' ? true : kind === 'number' ? Number(value) : value];
    });
  return given.length ? Object.fromEntries(given) : undefined;
}
