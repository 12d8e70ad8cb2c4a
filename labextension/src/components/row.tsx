import * as React from 'react';
import { useLepton, useMemory } from '../context';
import { Icon } from './icon';

/** A row that folds out, and remembers whether it did. */
export function Row(props: {
  kind: 'dataset' | 'model';
  name: string;
  title: string;
  hint?: string;
  /** What stands beside the title, and at the end of the line. */
  marks: React.ReactNode;
  figure: string;
  children: () => React.ReactNode;
}): JSX.Element {
  const { memory } = useLepton();
  const [open, setOpen] = useMemory(memory, `${props.kind}:${props.name}`, false);
  const id = React.useId();
  return (
    <div className="lps-Row" {...{ [`data-${props.kind}`]: props.name }}>
      <button
        type="button"
        className="lps-Row-head"
        aria-expanded={open}
        aria-controls={id}
        onClick={() => setOpen(!open)}
      >
        <Icon name="chevron" className={open ? 'lps-mod-open' : ''} />
        <span className="lps-Row-title" title={props.hint}>
          {props.title}
        </span>
        {props.marks}
        <span className="lps-Row-figure">{props.figure}</span>
      </button>
      <div id={id} className="lps-Row-body" hidden={!open}>
        {open && props.children()}
      </div>
    </div>
  );
}
