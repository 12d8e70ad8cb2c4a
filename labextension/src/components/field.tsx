import * as React from 'react';

interface IField {
  label: string;
  value: string;
  onChange: (value: string) => void;
  hint?: string;
  error?: string | null;
  placeholder?: string;
  disabled?: boolean;
}

/** A text or number with its label, a hint, and what is wrong with it. */
export function TextField(
  props: IField & {
    /** Values to choose from; others may be typed. */
    choices?: readonly string[];
    inputMode?: 'text' | 'numeric' | 'decimal';
    autoFocus?: boolean;
    required?: boolean;
  }
): JSX.Element {
  const id = React.useId();
  return (
    <Labelled id={id} {...props}>
      <input
        id={id}
        className="lps-Input"
        value={props.value}
        placeholder={props.placeholder}
        disabled={props.disabled}
        inputMode={props.inputMode}
        autoFocus={props.autoFocus}
        list={props.choices ? `${id}-choices` : undefined}
        aria-invalid={!!props.error}
        aria-required={props.required}
        aria-describedby={`${id}-about`}
        spellCheck={false}
        autoComplete="off"
        onChange={event => props.onChange(event.target.value)}
      />
      {props.choices && (
        <datalist id={`${id}-choices`}>
          {props.choices.map(choice => (
            <option key={choice} value={choice} />
          ))}
        </datalist>
      )}
    </Labelled>
  );
}

export interface IChoice {
  value: string;
  label: string;
  disabled?: boolean;
}

export function SelectField(props: IField & { choices: readonly IChoice[] }): JSX.Element {
  const id = React.useId();
  return (
    <Labelled id={id} {...props}>
      <select
        id={id}
        className="lps-Input"
        value={props.value}
        disabled={props.disabled}
        aria-invalid={!!props.error}
        aria-describedby={`${id}-about`}
        onChange={event => props.onChange(event.target.value)}
      >
        {props.choices.map(choice => (
          <option key={choice.value} value={choice.value} disabled={choice.disabled}>
            {choice.label}
          </option>
        ))}
      </select>
    </Labelled>
  );
}

function Labelled(
  props: Pick<IField, 'label' | 'hint' | 'error'> & { id: string; children: React.ReactNode }
): JSX.Element {
  return (
    <div className={`lps-Field ${props.error ? 'lps-mod-wrong' : ''}`}>
      <label htmlFor={props.id}>{props.label}</label>
      {props.children}
      <span id={`${props.id}-about`} className="lps-Field-about">
        {props.error ?? props.hint}
      </span>
    </div>
  );
}

/** One of a few, as a row of buttons. */
export function Segments<T extends string | number>(props: {
  label: string;
  value: T;
  choices: readonly { value: T; label: string; title?: string }[];
  onChange: (value: T) => void;
}): JSX.Element {
  return (
    <div className="lps-Segments" role="group" aria-label={props.label}>
      {props.choices.map(choice => (
        <button
          key={choice.value}
          type="button"
          title={choice.title}
          aria-pressed={choice.value === props.value}
          onClick={() => props.onChange(choice.value)}
        >
          {choice.label}
        </button>
      ))}
    </div>
  );
}
