import * as React from 'react';
import { useLepton, useMemory } from '../context';
import { Icon } from './icon';

/** A part of the sidebar that opens and closes, and remembers which. */
export function Section(props: {
  id: string;
  title: string;
  /** A few words beside the title: what is there, also while it is closed. */
  summary?: React.ReactNode;
  actions?: React.ReactNode;
  children: React.ReactNode;
}): JSX.Element {
  const { memory } = useLepton();
  const [open, setOpen] = useMemory<boolean>(memory, `open:${props.id}`, true);
  const body = `lp-section-${props.id}`;
  return (
    <section className="lps-Section" data-section={props.id}>
      <header className="lps-Section-head">
        <h3>
          <button
            type="button"
            aria-expanded={open}
            aria-controls={body}
            onClick={() => setOpen(!open)}
          >
            <Icon name="chevron" className={open ? 'lps-mod-open' : ''} />
            {props.title}
            {props.summary !== undefined && (
              <span className="lps-Section-summary">{props.summary}</span>
            )}
          </button>
        </h3>
        {open && <div className="lps-Section-actions">{props.actions}</div>}
      </header>
      <div id={body} className="lps-Section-body" hidden={!open}>
        {open && props.children}
      </div>
    </section>
  );
}

/** What a section is and its first action, where there is nothing yet. */
export function Empty(props: { text: string; children?: React.ReactNode }): JSX.Element {
  return (
    <div className="lps-Empty">
      <p>{props.text}</p>
      {props.children}
    </div>
  );
}
